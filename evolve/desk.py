"""The desk of one step: what its operator works with, every effect journaled before it is seen."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from archive import queries
from archive.records import Answer
from evolve.errors import EvolveError, Unwritten, WorldError
from evolve.hashing import plain_digest
from evolve.models import Model
from evolve.operators.base import ParentProgram
from evolve.run import Assignment, Run
from evolve.spec import TaskSpec

# A draft tells about sites and shapes; a candidate that fills its variable has nothing to say.
MAX_DRAFT_CHARACTERS = 256 * 1024

Drafter = Callable[[str, str], Awaitable[Any]]


class JournaledDesk:
    """Hands an operator its parents and its randomness, and makes its calls.

    An effect that was settled before a crash is handed in again from the archive; so an operator
    replays to where it was, and nothing is paid twice.
    """

    def __init__(
        self, run: Run, assignment: Assignment, drafter: Drafter, model: Model | None
    ) -> None:
        self.parents: tuple[ParentProgram, ...] = assignment.parents
        self.rng = assignment.rng("write")
        self._run, self._n, self._model, self._drafter = run, assignment.n, model, drafter
        kept = queries.answers(run.archive, run.record.id, assignment.n)
        self._kept = {answer.seq: answer for answer in kept}
        self._seq = 0

    @property
    def task(self) -> TaskSpec:
        return self._run.task.spec

    @property
    def brief(self) -> str:
        return self._run.task.brief

    async def draft(self, source: str, observe: str) -> Any:
        async def perform() -> Answer:
            value = _plain(await self._drafter(source, observe))
            return self._answer("draft", request, state="received", response={"value": value})

        # The instrumented source follows from the parent's; its digest is enough to check replay.
        request = {"observe": observe, "source": plain_digest(source)}
        return (await self._effect("draft", request, perform))["value"]

    async def ask(self, prompt: str) -> str:
        model = self._model
        if model is None:
            raise WorldError(f"step {self._n} needs a model and this run was opened without one")

        async def perform() -> Answer:
            try:
                reply = await model.complete(prompt)
            except Unwritten as error:
                return self._answer("model", request, "failed", {"reason": str(error)})
            answer = self._answer("model", request, "received", {"text": reply.text})
            return replace(answer, usd=reply.usd, tokens=reply.tokens)

        request = {"model": model.name, "prompt": prompt}
        response = await self._effect("model", request, perform)
        if "text" not in response:
            raise Unwritten(str(response.get("reason", "the call was cut off and not repeated")))
        return str(response["text"])

    async def _effect(
        self, kind: str, request: Mapping[str, Any], perform: Callable[[], Awaitable[Answer]]
    ) -> Mapping[str, Any]:
        """Give the response of the next effect: from the journal, or made and kept now."""
        while (kept := self._kept.get(self._seq)) is not None:
            if kept.request_digest != _request_digest(kind, request):
                raise self._asks_otherwise()
            self._seq += 1
            if not kept.cut_off:
                return kept.response or {}
            # Charged at its reserve; the call is made again, under a number of its own.
        settled = await self._make(kind, request, perform)
        self._seq += 1
        return settled.response or {}

    def _asks_otherwise(self) -> EvolveError:
        return WorldError(
            f"step {self._n} asks something else than before the run was stopped: the code "
            "of its operator has changed. Resume with the version that started the run"
        )

    async def _make(
        self, kind: str, request: Mapping[str, Any], perform: Callable[[], Awaitable[Answer]]
    ) -> Answer:
        """Make an effect now, and keep it."""
        if kind == "draft":
            # Costs nobody anything and can be done again: kept once it is there.
            return self._run.journal.send(await perform())
        self._run.journal.send(self._answer(kind, request, "sent"))
        return self._run.journal.settle(await perform())

    def _answer(
        self,
        kind: str,
        request: Mapping[str, Any],
        state: str,
        response: Mapping[str, Any] | None = None,
    ) -> Answer:
        digest = _request_digest(kind, request)
        return Answer(self._n, self._seq, kind, digest, request, state, response)


def _request_digest(kind: str, request: Mapping[str, Any]) -> str:
    return plain_digest(kind, json.dumps(dict(request), sort_keys=True))


def _plain(value: Any) -> Any:
    """Give a value that JSON can keep, None for anything else: drafts are candidates too."""
    try:
        text = json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return None
    return json.loads(text) if len(text) <= MAX_DRAFT_CHARACTERS else None
