"""The desk of one step: what its operator works with, every effect journaled before it is seen."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from copy import copy
from dataclasses import replace
from functools import cached_property, partial
from typing import Any, Protocol

from archive import queries
from archive.errors import BoundReached
from archive.records import Answer
from evolve import attempts
from evolve.briefing import Briefing
from evolve.calls import Calls
from evolve.config import ModelSettings
from evolve.errors import EvolveError, Unwritten, WorldError
from evolve.hashing import plain_digest
from evolve.messages import FailedCall, Fault, Reply, Request
from evolve.operators.base import ParentProgram, Twin
from evolve.program import program_id
from evolve.run import Assignment, Run
from evolve.spec import TaskSpec
from evolve.view import View, view

# A draft tells about sites and shapes; a candidate that fills its variable has nothing to say.
MAX_DRAFT_CHARACTERS = 256 * 1024
# How many times the tokens an answer may take that had too few, and the most that any may.
MORE_ROOM, MOST_TOKENS = 2, 64_000

Plain = Mapping[str, Any]


class Drafter(Protocol):
    """Runs what an operator wants to know of a program, behind the wall."""

    async def draft(self, source: str, observe: str) -> Any:
        """Give the value of a variable after a run on the first probe, None if there is none."""

    async def behaviour(self, source: str) -> str | None:
        """Give a program's functional hash, None where a clock ended a probe."""


class JournaledDesk:
    """Hands an operator its parents and its randomness, and makes its calls.

    An effect that was settled before a crash is handed in again from the archive; so an operator
    replays to where it was, and nothing is paid twice.
    """

    def __init__(
        self, run: Run, assignment: Assignment, drafter: Drafter, calls: Calls | None = None
    ) -> None:
        self.parents: tuple[ParentProgram, ...] = assignment.parents
        self.rng = assignment.rng("write")
        self._run, self._n, self._model = run, assignment.n, assignment.step.model
        self._snapshot, self._drafter, self._calls = assignment.snapshot, drafter, calls
        kept = queries.answers(run.archive, run.record.id, assignment.n)
        self._kept = {answer.seq: answer for answer in kept}
        self._seq = 0
        self._retry_after: float | None = None

    @property
    def task(self) -> TaskSpec:
        return self._run.task.spec

    @property
    def settings(self) -> ModelSettings:
        return self._run.model_settings

    @property
    def briefing(self) -> Briefing:
        return self._run.briefing

    @cached_property
    def view(self) -> View:
        parents = (parent.step for parent in self.parents)
        return view(self._snapshot, self._run.briefing.grouping, parents)

    def beside(self, model: str, first: int) -> JournaledDesk:
        """Give a desk for calls on this step that are not its operator's.

        first: the number of its first effect, above all of the operator's.
        """
        other = copy(self)
        other._model, other._seq, other._retry_after = model, first, None
        return other

    async def draft(self, source: str, observe: str) -> Any:
        # The instrumented source follows from the parent's; its digest is enough to check replay.
        request = {"observe": observe, "source": plain_digest(source)}
        return await self._drafted(request, partial(self._drafter.draft, source, observe))

    async def twin(self, source: str) -> Twin | None:
        same = self._snapshot.program(program_id(source))
        if same is not None:
            return Twin(same.step.n, "syntax", same.fitness, same.step.idea)
        find = partial(self._drafter.behaviour, source)
        behaviour = await self._drafted({"behaviour": plain_digest(source)}, find)
        alike = self._snapshot.behaviour(behaviour)
        if alike is None:
            return None
        return Twin(alike.step.n, "behaviour", alike.fitness, alike.step.idea)

    async def ask(self, request: Request) -> Reply:
        faults: list[Fault] = []
        answers = self._calls.answers() if self._calls else 0
        while True:
            plain = {"model": self._model, **request.plain()}
            attempt = partial(self._attempt, plain, request, faults, answers)
            answer = await self._effect("model", plain, attempt)
            if answer.state == "received":
                return attempts.reply_of(answer)
            response = answer.response or {}
            faults.append(response["fault"])
            if response["then"] == "give_up":
                raise Unwritten(f"{self._model}: {response['reason']}")
            if response["then"] == "stop":
                faults.clear()  # a sitting ended on it; the next one tries anew
            if response["then"] == "more_room":
                more = min(MORE_ROOM * request.max_tokens, max(MOST_TOKENS, request.max_tokens))
                request = replace(request, max_tokens=more)

    # --- effects ---

    async def _drafted(self, request: Plain, perform: Callable[[], Awaitable[Any]]) -> Any:
        async def draft() -> Answer:
            answer = self._answer("draft", request, state="received")
            # Costs nobody anything and can be done again: kept once it is there.
            return self._run.journal.send(
                replace(answer, response={"value": _plain(await perform())})
            )

        return ((await self._effect("draft", request, draft)).response or {})["value"]

    async def _attempt(
        self, plain: Plain, request: Request, faults: list[Fault], answers: int
    ) -> Answer:
        """Make one attempt at a model's answer, and keep what came of it. Raises: WorldError."""
        calls, model = self._calls, self._model
        if calls is None or model is None:
            raise WorldError(f"step {self._n} needs a model and this run was opened without one")
        journal, price = self._run.journal, calls.price(model)
        if faults:
            await calls.pause(faults, self._retry_after)
        async with calls.turn(model, self._n, request):
            answer = self._answer("model", plain, state="sent")
            sent = await self._reserved(attempts.with_reserve(answer, request, price), request)
            try:
                reply = await calls.complete(model, request)
            except FailedCall as failure:
                stopped = any(_stopped_on(answer) for answer in self._kept.values())
                then = calls.then(model, [*faults, failure.fault], answers, stopped=stopped)
                settled = journal.settle(attempts.failed(sent, failure, then, price))
                self._retry_after = failure.retry_after
                if then == "stop":
                    raise WorldError(_silent(model, failure)) from failure
                return settled
            return journal.settle(attempts.received(sent, reply, price))

    async def _reserved(self, answer: Answer, request: Request) -> Answer:
        """Write a call down with its reserve, once there is room for it within the bounds.

        Raises: BoundReached where there never will be; Unwritten where only this call is too dear.
        """
        assert self._calls is not None
        limits = self._run.limits
        while True:
            try:
                return self._run.journal.send(
                    answer, usd_bound=limits.usd, tokens_bound=limits.tokens
                )
            except BoundReached as reached:
                if not reached.for_now or not self._calls.in_flight:
                    if self._others_fit(answer, request):
                        raise Unwritten(f"{reached}; others cost less") from reached
                    self._run.refused = str(reached)
                    raise
            await self._calls.room()

    def _others_fit(self, answer: Answer, request: Request) -> bool:
        """Tell whether another model could still be asked this, or this one for a shorter answer."""
        assert self._calls is not None
        limits, spent = self._run.limits, self._run.journal.run
        shorter = replace(request, max_tokens=min(request.max_tokens, self.settings.max_tokens))
        for model in self._run.means.models:
            if model == self._model and shorter == request:
                continue
            other = attempts.with_reserve(answer, shorter, self._calls.price(model))
            fits_usd = limits.usd is None or spent.usd + other.reserved_usd <= limits.usd
            tokens = spent.tokens + other.reserved_tokens
            if fits_usd and (limits.tokens is None or tokens <= limits.tokens):
                return True
        return False

    async def _effect(
        self, kind: str, request: Plain, perform: Callable[[], Awaitable[Answer]]
    ) -> Answer:
        """Give the answer of the next effect: from the journal, or made and kept now."""
        while (kept := self._kept.get(self._seq)) is not None:
            if kept.request_digest != attempts.request_digest(kind, request):
                raise self._asks_otherwise()
            self._seq += 1
            if not kept.cut_off:
                return kept
            # Charged at its reserve; the call is made again, under a number of its own.
        made = await self._make(kind, perform)
        self._seq += 1
        return made

    def _asks_otherwise(self) -> EvolveError:
        return WorldError(
            f"step {self._n} asks something else than before the run was stopped: the code "
            "of its operator has changed. Resume with the version that started the run"
        )

    async def _make(self, kind: str, perform: Callable[[], Awaitable[Answer]]) -> Answer:
        return await perform()

    def _answer(self, kind: str, request: Plain, state: str) -> Answer:
        return Answer(
            self._n, self._seq, kind, attempts.request_digest(kind, request), request, state
        )


def _silent(model: str, failure: FailedCall) -> str:
    if failure.fault in ("rejected", "forbidden"):
        check = "the key, the name" + (", the URL (most end in /v1)" if "@" in model else "")
        return f"{model} refuses to answer: {failure}\ncheck {check} and --set model.*"
    hint = "; does the server run?" if failure.fault == "connection" and "@" in model else ""
    return f"{model} gives nothing but errors; the last: {failure}{hint}"


def _stopped_on(answer: Answer) -> bool:
    """Whether an earlier sitting ended on this attempt."""
    return answer.state == "failed" and (answer.response or {}).get("then") == "stop"


def _plain(value: Any) -> Any:
    """Give a value that JSON can keep, None for anything else: drafts are candidates too."""
    try:
        text = json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return None
    return json.loads(text) if len(text) <= MAX_DRAFT_CHARACTERS else None
