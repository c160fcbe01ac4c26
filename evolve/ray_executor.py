"""The executor of a Ray cluster: Ray finds a place for each slot, and a new one if it is lost.

Only this process reads keys and writes the archive. A place that is lost (its node, its process, or
the memory of its host) says nothing of the program that it ran: that one is run elsewhere.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Collection, Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Any

import ray
from ray.exceptions import RayError

from evolve.config import RaySettings
from evolve.errors import TaskError, WorldError
from evolve.executor import Progress, SlotLost
from evolve.loader import Task
from evolve.local import MAX_RETRIES, opening_of
from evolve.ray_actor import BESIDE, NODE_CHARS, RayPlace
from evolve.ray_cluster import Cluster
from evolve.ray_slot import NEWS_EVERY_S, RaySlot, cause_of
from evolve.shipping import Shipment, pack
from evolve.slot_pool import SlotPool
from evolve.world import CPU, code_digest, device_of
from sandbox.levels import MIN_LEVEL, at_least

PLACES = "places on the cluster"
# Where no place comes about it is tried again, ever later up to this: somebody may mend the node.
MAX_PAUSE_S = 60.0
# The second place of a node that is lost before it has answered anything is replaced only after so long,
# the next ones ever later: Ray may choose the same sick node again.
SICK_PAUSE_S = 10.0


class RayExecutor:
    """Runs candidates in `num_slots` places of a Ray cluster; use it as an async context manager.

    num_slots: as many as the cluster has room for unless told. report: told of long work.
    A run begins with the first place; others join when Ray finds them, and again after a loss.
    Raises on entry: UsageError if the cluster cannot have such places; TaskError, WorldError.
    """

    def __init__(
        self,
        task: Task,
        world: str,
        num_slots: int | None,
        settings: RaySettings,
        *,
        level: str = "auto",
        min_level: str = MIN_LEVEL,
        report: Progress | None = None,
    ) -> None:
        self._task, self._world, self._settings, self._report = task, world, settings, report
        self._lines = settings.line and not _ray_encrypts()
        self._opening = opening_of(task, world, level=level, min_level=min_level)
        self.levels: Collection[str] = at_least(min_level)
        self._cluster = Cluster(settings, on_gpu=device_of(task) != CPU)
        self.num_slots = num_slots or 0
        self._pool = SlotPool[RaySlot](lost=self._replace)
        self._slots: set[RaySlot] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._last_loss, self._is_ending = "", False
        # How often each node has refused a place since one was last open; "": not known which.
        self._refused = Counter[str]()
        # How many places of a node were lost, one after another, before they had answered anything.
        self._fruitless = Counter[str]()
        self._shipment: ray.ObjectRef[Shipment] | None = None
        self._artefacts: ray.ObjectRef[bytes | None] | None = None

    async def __aenter__(self) -> RayExecutor:
        try:
            self._cluster.connect(self.num_slots)
            # A cluster that is full has room later.
            self.num_slots = self.num_slots or max(1, self._cluster.room())
            self._shipment = ray.put(pack(self._task))
            first = await self._first()
            self._pool.add(first)
            for _ in range(self.num_slots - 1):
                self._open_another()
            self._begin(self._watch_places())
        except BaseException as error:
            await self._close()
            if isinstance(error, RayError):
                raise WorldError(f"Ray gives no places: {cause_of(error)}") from error
            raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        failed = await self._close()
        if failed and kind is None:  # what ended the run says more
            raise failed[0]

    async def _close(self) -> list[BaseException]:
        """Let go of all places and of the cluster; give what went wrong with places."""
        self._is_ending, tasks = True, [*self._tasks]
        try:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            closing = (slot.close() for slot in self._slots)
            closed = await asyncio.gather(*closing, return_exceptions=True)
        finally:
            self._cluster.disconnect()
        return [error for error in closed if error is not None]

    def slot(self, priority: int) -> AbstractAsyncContextManager[RaySlot]:
        return self._pool.slot(priority)

    def alone(self) -> AbstractAsyncContextManager[RaySlot]:
        return self._pool.alone()

    @property
    def places(self) -> list[tuple[str, int]]:
        """The node and the process of each place that is open."""
        return [(slot.machine, slot.pid) for slot in self._slots if slot.is_open]

    async def _first(self) -> RaySlot:
        """Open a place that has built what the task needs, and another one if it is lost.

        Built once, and the same everywhere: nets trained twice may differ in a last digit.
        Raises: WorldError if none outlives that; TaskError.
        """
        for _ in range(MAX_RETRIES + 1):
            waiting = asyncio.create_task(self._tell_what_is_waited_for())
            try:
                first = await self._first_open()
            finally:
                waiting.cancel()
            try:
                await first.ask("describe", {"stage": "train", "block": 0})
                # Kept here: what lies on a node alone goes with it.
                self._artefacts = ray.put(await first.artefacts())
                return first
            except SlotLost as loss:
                cause = loss
                self._note_loss(loss)
                await self._let_go(first)
        raise WorldError(
            f"{MAX_RETRIES + 1} places of the cluster were lost, one after another, while they "
            f"built what the task needs; the last one: {cause}"
        ) from cause

    @property
    def _places(self) -> str:
        """What is opened, in words; which cluster `auto` took, too."""
        at = self._cluster.address
        return f"{PLACES} at {at}" if at else PLACES

    async def _tell_what_is_waited_for(self) -> None:
        lacks = self._cluster.lacks()
        waits = f" ({lacks}: waiting {self._settings.patience_s:g} s for a node that has)"
        while self._report is not None:
            self._report(0, self.num_slots, self._places + (waits if lacks else self._last_loss))
            await asyncio.sleep(NEWS_EVERY_S)

    async def _first_open(self) -> RaySlot:
        """Wait for a place, as long as the settings say. Raises: as `_opened`; WorldError."""
        try:
            async with asyncio.timeout(self._settings.patience_s):
                return await self._opened()
        except TimeoutError as error:
            raise self._no_place() from error

    async def _opened(self) -> RaySlot:
        """Open a place on whatever node has one and takes it.

        Raises, while no other place is open: TaskError; WorldError if every node refuses.
        """
        pause = NEWS_EVERY_S
        while True:
            try:
                return await self._open()
            except (TaskError, WorldError) as error:
                self._note_loss(error)
                # A wall or a library may be wrong on one node, and right on others. A task that fails
                # where it is opened first is taken for wrong: its author must not wait for all nodes.
                is_final = isinstance(error, TaskError) or self._all_refuse
                if is_final and not self._are_open:
                    raise
            await asyncio.sleep(pause)
            pause = min(2 * pause, MAX_PAUSE_S)

    async def _open(self) -> RaySlot:
        """Have Ray start a place somewhere and open it. Raises: SlotLost, TaskError, WorldError."""
        actor = self._cluster.start(RayPlace, [BESIDE])
        slot = RaySlot(actor, self._report, self._pool.drop_lost, lambda: self._is_proven)
        self._slots.add(slot)
        try:
            await slot.open(
                *(self._shipment, self._artefacts, self._opening),
                *(self._world, code_digest(), self._lines),
            )
        except BaseException as error:
            is_refusal = isinstance(error, WorldError) and not isinstance(error, SlotLost)
            if is_refusal and not self._are_open:
                self._refused[slot.machine] += 1
            await self._let_go(slot)
            raise
        self._refused.clear()
        if self._report is not None:
            self._report(sum(s.is_open for s in self._slots), self.num_slots, self._places)
        return slot

    async def _let_go(self, slot: RaySlot) -> None:
        self._slots.discard(slot)
        await slot.close()

    def _replace(self, slot: RaySlot) -> None:
        """Look for another place for a slot that is lost, and at those beside it."""
        if self._is_ending:
            return
        self._begin(self._let_go(slot))
        self._open_another(self._pause_after(slot))
        # Its node may be gone with all of them: nobody is to find out one by one.
        for other in self._pool.take_out(slot.machine):
            self._begin(self._looked_at(other))

    def _pause_after(self, slot: RaySlot) -> float:
        """Say how long to wait before a lost place is replaced, in seconds: none if it was of use."""
        many = 0 if slot.has_worked else self._fruitless[slot.machine] + 1
        self._fruitless[slot.machine] = many
        return min(SICK_PAUSE_S * 2.0 ** (many - 2), MAX_PAUSE_S) if many > 1 else 0.0

    async def _looked_at(self, slot: RaySlot) -> None:
        """Lend a slot on if its place still answers."""
        if await slot.answers():
            self._pool.add(slot)
        else:
            await self._let_go(slot)
            self._open_another()

    def _open_another(self, pause: float = 0.0) -> None:
        self._begin(self._opened_sooner_or_later(pause))

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Let nobody wait for a place that no one looks for any more."""
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, RayError):
            error = WorldError(f"Ray gives no places any more: {cause_of(error)}")
        if error is not None:
            self._pool.fail(error)

    async def _opened_sooner_or_later(self, pause: float) -> None:
        await asyncio.sleep(pause)
        self._pool.add(await self._opened())

    async def _watch_places(self) -> None:
        """Give up once there has been no place at all for as long as the settings say."""
        without = 0.0
        while without < self._settings.patience_s:
            await asyncio.sleep(NEWS_EVERY_S)
            without = 0.0 if self._are_open else without + NEWS_EVERY_S
        raise self._no_place()

    @property
    def _is_proven(self) -> bool:
        """Whether a place has opened and has built what the task needs."""
        return self._artefacts is not None

    @property
    def _are_open(self) -> bool:
        return any(slot.is_open and not slot.is_lost for slot in self._slots)

    @property
    def _all_refuse(self) -> bool:
        """Whether no node is left that might take a place."""
        nodes = [node[:NODE_CHARS] for node in self._cluster.nodes]
        # Ray does not tell which node it is that cannot even begin, and may choose it again and again.
        not_known = len(nodes) == 1 and self._refused[""] > 0
        return bool(nodes) and (not_known or all(self._refused[node] > 0 for node in nodes))

    def _note_loss(self, loss: Exception) -> None:
        self._last_loss = f"; what became of the last one: {loss}"

    def _no_place(self) -> WorldError:
        return WorldError(
            f"Ray found no place for a slot within {self._settings.patience_s:g} s: each needs "
            f"{self._cluster.needs}, and the cluster has {self._cluster.has}; less is asked with "
            f"--set ray.cpus, ray.gpus or ray.memory_mb, more patience with ray.patience_s{self._last_loss}"
        )


def _ray_encrypts() -> bool:
    return os.environ.get("RAY_USE_TLS", "0").lower() in ("1", "true")
