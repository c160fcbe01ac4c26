"""The slots of an executor: lent one by one, or one alone while its machine rests."""

from __future__ import annotations

import asyncio
import bisect
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Generic, Protocol, TypeVar


class Placed(Protocol):
    """What a slot tells of itself: on which machine it is, and whether it is lost."""

    @property
    def machine(self) -> str: ...

    @property
    def is_lost(self) -> bool: ...


S = TypeVar("S", bound=Placed)


class SlotPool(Generic[S]):
    """Slots, lent to the lowest priority number first; they may come and be lost at any time.

    lost: told of each slot that is lost and not lent again: when it comes back, or while it is idle
    as soon as `drop_lost` is called or somebody waits.
    """

    def __init__(self, lost: Callable[[S], None] = lambda slot: None) -> None:
        self._lost = lost
        self._idle: list[S] = []
        self._lent: Counter[str] = Counter()
        self._waiting: list[tuple[int, int, asyncio.Future[S]]] = []
        self._arrivals = 0
        self._broken: BaseException | None = None
        # Of `alone`: one at a time, the machine that is to rest, and the news it waits for.
        self._one_alone, self._resting = asyncio.Lock(), ""
        self._came_back = asyncio.Event()

    @asynccontextmanager
    async def slot(self, priority: int) -> AsyncIterator[S]:
        """Lend a slot; the lowest priority number waits shortest. Raises: what `fail` was told."""
        slot, went_well = await self._take(priority), False
        try:
            yield slot
            went_well = True
        finally:
            self._give_back(slot, first=went_well)

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[S]:
        """Lend a slot while all others of its machine rest. Raises: what `fail` was told."""
        async with self._one_alone, self.slot(-1) as slot:
            self._resting = slot.machine
            try:
                while self._lent[slot.machine] > 1:
                    self._came_back.clear()
                    await self._came_back.wait()
                yield slot
            finally:
                self._resting = ""
                self._serve()

    def add(self, slot: S) -> None:
        """Take a slot in, to be lent."""
        self._idle.append(slot)
        self._serve()

    def drop_lost(self) -> None:
        """Stop lending the idle slots that are lost."""
        lost = [slot for slot in self._idle if slot.is_lost]
        self._idle = [slot for slot in self._idle if not slot.is_lost]
        for slot in lost:
            self._lost(slot)

    def take_out(self, machine: str) -> list[S]:
        """Take the idle slots of a machine out, as when one of its others was lost."""
        out = [slot for slot in self._idle if slot.machine == machine]
        self._idle = [slot for slot in self._idle if slot.machine != machine]
        return out

    def fail(self, error: BaseException) -> None:
        """Let everybody who waits, now or later, know that there will be none."""
        self._broken = error
        for _, _, future in self._waiting:
            if not future.done():
                future.set_exception(error)
        self._waiting.clear()

    async def _take(self, priority: int) -> S:
        if self._broken is not None:
            raise self._broken
        future: asyncio.Future[S] = asyncio.get_running_loop().create_future()
        self._arrivals += 1
        bisect.insort(self._waiting, (priority, self._arrivals, future))
        self._serve()
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and future.exception() is None:
                self._give_back(future.result(), first=True)
            raise

    def _give_back(self, slot: S, *, first: bool) -> None:
        """Take a slot back. first: lend it next; else last, since something went wrong in it."""
        self._lent[slot.machine] -= 1
        self._came_back.set()
        if slot.is_lost:
            self._lost(slot)
        else:
            self._idle.insert(len(self._idle) if first else 0, slot)
        self._serve()

    def _serve(self) -> None:
        """Hand out what is idle and not lost, on machines that need not rest."""
        self.drop_lost()
        while self._waiting and (slot := self._pop_idle()) is not None:
            _, _, future = self._waiting.pop(0)
            if future.done():  # whoever waited was cancelled
                self._idle.append(slot)
                continue
            self._lent[slot.machine] += 1
            future.set_result(slot)

    def _pop_idle(self) -> S | None:
        for place in reversed(range(len(self._idle))):
            if self._idle[place].machine != self._resting:
                return self._idle.pop(place)
        return None
