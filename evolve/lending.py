"""Lends a few things to many: of those that wait, the lowest number is served first."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Generic, TypeVar

T = TypeVar("T")


class Pool(Generic[T]):
    """Things that are lent one by one, to the lowest priority number first."""

    def __init__(self, things: Iterable[T]) -> None:
        self._idle = list(things)
        self._waiting: list[tuple[int, int, asyncio.Future[T]]] = []
        self._arrivals = 0

    @asynccontextmanager
    async def lent(self, priority: int) -> AsyncIterator[T]:
        """Lend one for as long as the block lasts."""
        thing = await self.take(priority)
        try:
            yield thing
        finally:
            self.give(thing)

    async def take(self, priority: int) -> T:
        """Wait for one; a wait that is cancelled loses none."""
        if self._idle:
            return self._idle.pop()
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._arrivals += 1
        heapq.heappush(self._waiting, (priority, self._arrivals, future))
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                self.give(future.result())
            raise

    def give(self, thing: T) -> None:
        """Take one back, for whoever waits first."""
        while self._waiting:
            _, _, future = heapq.heappop(self._waiting)
            if not future.done():
                future.set_result(thing)
                return
        self._idle.append(thing)
