"""Calls of language models: when one may be made, and what a failed attempt leads to.

The adapters make one attempt and never retry; all patience is here. What was decided after a failed
attempt is kept with it, so a run that is done again need not decide it, nor wait.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Literal

from evolve.config import ModelSettings
from evolve.lending import Pool
from evolve.messages import FailedCall, Fault, Model, Price, Reply, Request, Usage
from evolve.prices import cost, price_of, worst_tokens

# What follows a failed attempt: another one, another with more room for the answer, none for this
# step, or the end of the sitting, since nothing can be had from this model.
Then = Literal["again", "more_room", "give_up", "stop"]

# Faults of the way or of the server: the request may be as good as any.
TRANSPORT: tuple[Fault, ...] = ("timeout", "connection", "rate_limited", "server")
# A service that ends an answer so is alive, and answers.
ANSWERING: tuple[Fault, ...] = ("truncated", "filtered")
# A request that was too long for one deadline may be in time once more, but not often.
MAX_TIMEOUTS = 2
# The wait before a retry is drawn below 1, 2, 4, ... seconds, so that many who failed together do
# not come back together; a provider may ask for more.
FIRST_WAIT_S, MAX_WAIT_S = 1.0, 60.0
MAX_RETRY_AFTER_S = 300.0
# After so many failed attempts in a row a model is left alone for a while; then one call tries it.
BREAK_AFTER = 5
FIRST_BREAK_S, MAX_BREAK_S = 2.0, 60.0
# So many useless answers or rejections in a row, from a service that is not busy, will not pass.
STOP_AFTER = 15
# Until its answer tells, a call is taken to use a token for so many bytes of its prompt, and one of
# so many that it may say.
BYTES_PER_TOKEN, SAID_SHARE = 4, 8


class Calls:
    """The calls of one sitting of a run, of all its models together; to be closed.

    clock: seconds, monotonic. rng: for jitter. Nothing that a search decides rests on either.
    """

    def __init__(
        self,
        models: Sequence[Model],
        settings: ModelSettings,
        *,
        clock: Callable[[], float] = time.monotonic,
        rng: random.Random | None = None,
    ) -> None:
        self.settings = settings
        # One model that hangs leaves a place for each of the others.
        most = max(1, settings.concurrency - len(models) + 1)
        self._lines = {model.name: _Line(model, settings, clock, most) for model in models}
        self._slots = Pool(range(settings.concurrency))
        self.in_flight = 0
        self._rng = rng or random.Random()
        self._stopping, self._settled = asyncio.Event(), asyncio.Event()

    def answers(self) -> int:
        """Count the answers that all models together gave in this sitting."""
        return sum(line.answers for line in self._lines.values())

    def price(self, model: str) -> Price | None:
        """Give a model's price, None where nobody knows it."""
        return self._lines[model].price

    @asynccontextmanager
    async def turn(self, model: str, priority: int, request: Request) -> AsyncIterator[None]:
        """Wait until a call may begin, then hold one of the places in flight for it.

        priority: the lowest waits shortest. Raises: CallsStopped.
        """
        line = self._lines[model]
        async with line.places.lent(priority):
            while True:
                await self._sleep_until(line.ready)
                async with self._slots.lent(priority):
                    # Others may have begun, or failed, while this one waited for a place.
                    if self._stopping.is_set():
                        raise CallsStopped
                    if line.ready() > 0:
                        continue
                    with line.begun(request):
                        yield
                    return

    async def complete(self, model: str, request: Request) -> Reply:
        """Make one attempt, within the deadline; give the answer with what it cost.

        Raises: FailedCall.
        """
        line = self._lines[model]
        self.in_flight += 1
        try:
            reply = await line.model.complete(request, self.settings.timeout_s)
        except FailedCall as failed:
            line.failed(failed.fault)
            line.used(request, failed.usage)
            raise
        except Exception as error:  # noqa: BLE001 - no form of what comes from outside ends a run
            line.failed("malformed")
            # Its text might hold a key.
            what = f"the answer could not be read ({type(error).__name__})"
            raise FailedCall("malformed", what, maybe_billed=True) from None
        finally:
            self.in_flight -= 1
            self._settled.set()
        line.answered()
        line.used(request, reply.usage)
        if reply.usd is None and reply.usage is not None and line.price is not None:
            return replace(reply, usd=cost(line.price, reply.usage))
        return reply

    def then(
        self, model: str, faults: Sequence[Fault], answers: int, *, stopped: bool = False
    ) -> Then:
        """Decide what follows the last of the attempts at one answer.

        answers: those that there were when the first attempt was made. stopped: whether a sitting
        ended on this very step before; it shall not end another.
        """
        line, alone = self._lines[model], stopped or self.answers() > answers
        if faults[-1] == "forbidden":
            return "stop"
        if faults[-1] in ANSWERING or stopped:
            return next_move(faults, self.settings.retries, alone=alone)
        if faults[-1] == "rejected" and not line.answers and len(faults) == 1:
            return "stop"  # a setting that it does not take, most likely
        if line.silent_s > self.settings.patience_s and line.failures >= BREAK_AFTER:
            return "stop"
        if line.useless >= STOP_AFTER:
            return "stop"
        return next_move(faults, self.settings.retries, alone=alone)

    async def pause(self, faults: Sequence[Fault], retry_after: float | None) -> None:
        """Wait before the next attempt at an answer. Raises: CallsStopped."""
        highest = min(FIRST_WAIT_S * 2 ** (len(faults) - 1), MAX_WAIT_S)
        wait_s = self._rng.uniform(highest / 2, highest) if faults[-1] in TRANSPORT else 0.0
        wait_s = max(wait_s, min(retry_after or 0.0, MAX_RETRY_AFTER_S))
        await self._sleep(wait_s)

    async def room(self) -> None:
        """Wait until a call in flight is settled, and its reserve is free. Raises: CallsStopped."""
        self._settled.clear()
        await self._settled.wait()
        if self._stopping.is_set():
            raise CallsStopped

    def stop(self) -> None:
        """Begin no further call; those under way may end."""
        self._stopping.set()
        self._settled.set()

    async def close(self) -> None:
        """Let all connections go."""
        for line in self._lines.values():
            await line.model.close()

    async def _sleep_until(self, ready: Callable[[], float]) -> None:
        while (wait_s := ready()) > 0:
            await self._sleep(wait_s)

    async def _sleep(self, seconds: float) -> None:
        """Sleep, but not beyond the end. Raises: CallsStopped."""
        if not self._stopping.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), seconds)
        if self._stopping.is_set():
            raise CallsStopped


class CallsStopped(Exception):
    """No call is begun any more."""


def next_move(faults: Sequence[Fault], retries: int, *, alone: bool) -> Then:
    """Decide what follows failed attempts at one answer, by the faults so far.

    alone: whether others get answers meanwhile, so that it is this request or its model that fails;
    else everybody waits. Truncated, empty and malformed answers are asked for
    once more, the first two with more room; what a filter or a rejection stopped is not.
    """
    last = faults[-1]
    if last in TRANSPORT:
        spent = sum(fault in TRANSPORT for fault in faults) > retries
        too_long = faults.count("timeout") >= MAX_TIMEOUTS
        return "give_up" if alone and (spent or too_long) else "again"
    if last in ("filtered", "rejected") or any(fault not in TRANSPORT for fault in faults[:-1]):
        return "give_up"
    return "again" if last == "malformed" else "more_room"


@dataclass
class _Line:
    """The way to one model: its rate, and a breaker that opens when it only fails."""

    model: Model
    settings: ModelSettings
    clock: Callable[[], float]
    most: int  # places in flight that it may hold

    def __post_init__(self) -> None:
        self.price = price_of(self.model.name, self.settings.price)
        self.answers = self.failures = self.useless = 0
        self.places = Pool(range(self.most))
        self._silent_since: float | None = None
        self._closed_until = self._next_request = self._next_tokens = 0.0
        self._under_way = 0

    @property
    def silent_s(self) -> float:
        """Seconds since the first failure with no answer after it; 0 if the last call answered."""
        return 0.0 if self._silent_since is None else self.clock() - self._silent_since

    def ready(self) -> float:
        """Give the seconds until a call may begin, 0 or less when it may now."""
        if self.failures >= BREAK_AFTER and self._under_way:
            # One call tries a model that only failed; the others wait for what comes of it.
            return FIRST_WAIT_S
        begin = max(self._closed_until, self._next_request, self._next_tokens)
        return begin - self.clock()

    @contextlib.contextmanager
    def begun(self, request: Request) -> Iterator[None]:
        """Count a call against the rates, and as under way."""
        now, settings = self.clock(), self.settings
        if settings.requests_per_minute is not None:
            self._next_request = max(now, self._next_request) + 60 / settings.requests_per_minute
        if settings.tokens_per_minute is not None:
            spent_s = _expected(request) * 60 / settings.tokens_per_minute
            self._next_tokens = max(now, self._next_tokens) + spent_s
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1

    def used(self, request: Request, usage: Usage | None) -> None:
        """Put what a call really used in the place of what it was taken to use."""
        if self.settings.tokens_per_minute is not None and usage is not None:
            more = usage.total - _expected(request)
            self._next_tokens += more * 60 / self.settings.tokens_per_minute

    def answered(self) -> None:
        self.answers += 1
        self._revive()

    def _revive(self) -> None:
        self.failures = self.useless = 0
        self._silent_since = None

    def failed(self, fault: Fault) -> None:
        """Take note of a failed attempt; what a filter or a limit of tokens ended is an answer."""
        if fault in ANSWERING:
            self._revive()
            return
        self.failures += 1
        self.useless += fault not in TRANSPORT
        if self._silent_since is None:
            self._silent_since = self.clock()
        breaks = self.failures - BREAK_AFTER
        if breaks >= 0:
            break_s = min(FIRST_BREAK_S * 2 ** min(breaks, 10), MAX_BREAK_S)
            self._closed_until = self.clock() + break_s


def _expected(request: Request) -> float:
    """Give the tokens that a call is taken to use until its answer tells."""
    worst = worst_tokens(request)
    return worst.input / BYTES_PER_TOKEN + worst.output / SAID_SHARE
