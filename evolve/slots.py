"""The slots of an executor as a run uses them: lent to the lowest step, and to nobody once it stops."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from evolve.errors import EvolveError
from evolve.executor import DeviceLost, Executor, Slot, SlotLost

T = TypeVar("T")

# A slot that is lost is the world's fault: so often it is tried in others before the run stops.
MAX_LOST_SLOTS = 2


class Stopped(EvolveError):
    """The run is stopping: nothing new is started. The step waits for `evolve resume`."""


class Slots:
    """Lends the slots of an executor until the run stops. busy: how many are lent."""

    def __init__(self, executor: Executor) -> None:
        self.executor = executor
        self.stopping, self.busy = False, 0

    @asynccontextmanager
    async def lent(self, priority: int, alone: bool = False) -> AsyncIterator[Slot]:
        """Lend a slot; the lowest priority number waits shortest. Raises: Stopped."""
        executor = self.executor
        async with executor.alone() if alone else executor.slot(priority) as slot:
            self.raise_if_stopping()
            self.busy += 1
            try:
                yield slot
            finally:
                self.busy -= 1

    async def pure(
        self, priority: int, ask: Callable[[Slot], Awaitable[T]], alone: bool = False
    ) -> T:
        """Ask a slot what no slot has to remember; another one if it is lost. Raises: Stopped."""
        for lost in range(MAX_LOST_SLOTS + 1):
            async with self.lent(priority, alone) as slot:
                try:
                    return await ask(slot)
                except SlotLost as loss:
                    alone = alone or isinstance(loss, DeviceLost)
                    if lost == MAX_LOST_SLOTS:
                        raise
        raise AssertionError("unreachable")

    def raise_if_stopping(self) -> None:
        if self.stopping:
            raise Stopped("stopping: what waits for a slot is left for `evolve resume`")
