"""The coroutines at work: who has ended says so, so that waiting for a thousand costs no more than
for one."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


class Crew:
    """Tasks at work. What each raised is told once, by `failures`."""

    def __init__(self) -> None:
        self.working: set[asyncio.Task[None]] = set()
        self._ended: list[asyncio.Task[None]] = []
        self._news = asyncio.Event()

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self.working.add(task)
        task.add_done_callback(self._take)

    def wake(self, _: object = None) -> None:
        """End the wait that is going on, or the next one."""
        self._news.set()

    async def wait(self, timeout: float | None) -> None:
        """Wait until one has ended since the last wait, or somebody wakes us; timeout: seconds."""
        try:
            async with asyncio.timeout(timeout):
                await self._news.wait()
        except TimeoutError:
            return
        self._news.clear()

    def failures(self) -> list[BaseException]:
        """Give what those raised that have ended since this was asked last, in the order they ended."""
        ended, self._ended = self._ended, []
        return [error for task in ended if (error := task.exception()) is not None]

    async def dismiss(self) -> None:
        """Cancel those at work; what they, or those not asked about yet, ended with is passed over."""
        for task in self.working:
            task.cancel()
        await asyncio.gather(*self.working, *self._ended, return_exceptions=True)

    def _take(self, task: asyncio.Task[None]) -> None:
        self.working.discard(task)
        self._ended.append(task)
        self.wake()
