"""The slots of an executor as a run uses them: lent to the lowest step, and to nobody once it stops."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from evolve.errors import EvolveError
from evolve.executor import Executor, Slot


class Stopped(EvolveError):
    """The run is stopping: nothing new is started. The step waits for `evolve resume`."""


class Slots:
    """Lends the slots of an executor until the run stops."""

    def __init__(self, executor: Executor) -> None:
        self.executor = executor
        self.stopping = False

    @asynccontextmanager
    async def lent(self, priority: int, alone: bool = False) -> AsyncIterator[Slot]:
        """Lend a slot; the lowest priority number waits shortest. Raises: Stopped."""
        executor = self.executor
        async with executor.alone() if alone else executor.slot(priority) as slot:
            self.raise_if_stopping()
            yield slot

    def raise_if_stopping(self) -> None:
        if self.stopping:
            raise Stopped("stopping: what waits for a slot is left for `evolve resume`")
