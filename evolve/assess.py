"""Evaluates programs outside the search: on any split, served from the archive where it knows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from archive import queries
from archive.journal import Journal
from archive.records import Evaluation, Status
from archive.store import Archive
from evolve.build import num_slots
from evolve.executor import UNSOUND, Progress, Slot, SlotLost, evaluation_of
from evolve.grades import SERVED
from evolve.loader import Task
from evolve.local import LocalExecutor
from evolve.program import program_id
from evolve.screen import screen
from evolve.slots import MAX_LOST_SLOTS
from evolve.statistics import Grouping, grouping
from evolve.world import world_of
from sandbox.levels import MIN_LEVEL

T = TypeVar("T")

TRAIN, VALID, TEST, PROBE = "train", "valid", "test", "probe"


class Assessor:
    """Evaluates programs and controls of one task; made by `assessing`.

    Law: what it gives for (program, stage, block) is what a run would be given, times aside.
    """

    def __init__(
        self,
        task: Task,
        executor: LocalExecutor,
        archive: Archive | None = None,
        journal: Journal | None = None,
    ) -> None:
        self.task, self.executor = task, executor
        self._archive, self._journal = archive, journal

    async def program(self, source: str, stage: str, block: int = 0) -> Evaluation:
        """Evaluate a program on a block, behind the wall.

        Served from the archive if it is known there, and kept there if a journal is open.
        Raises: Unparsable for what no process is spent on; WorldError, TaskError.
        """
        screen(source, self.task.spec)
        key = self._key(stage, block) | {"program": program_id(source)}
        if self._archive is not None:
            known = queries.find_evaluation(self._archive, **key, levels=self.executor.levels)
            if known is not None:
                return known
        evaluation = await self._run_and_grade(source, key)
        if self._journal is not None and evaluation.status.value in SERVED:
            return self._journal.evaluated(None, evaluation, graded=0)
        return evaluation

    async def control(self, source: str, stage: str, block: int = 0) -> Evaluation:
        """Evaluate a control, which may read private values and never enters the archive."""
        async with self.executor.slot(0) as slot:
            quality = await slot.control(source, stage, block)
        status = Status(quality.pop("status"))
        return Evaluation(**self._key(stage, block), program="control", status=status, **quality)

    async def grouping(self, stage: str, block: int = 0) -> Grouping:
        """Give how the instances of a block belong together."""
        async with self.executor.slot(0) as slot:
            return grouping(await slot.describe(stage, block))

    async def _run_and_grade(self, source: str, key: dict[str, Any]) -> Evaluation:
        """Run and grade, with a second chance alone for what tells as much of the machine."""
        async with self.executor.slot(0) as slot:
            evaluation = await self._in_slot(slot, source, key)
        if evaluation.status.value in UNSOUND and self.executor.num_slots > 1:
            async with self.executor.alone() as slot:
                evaluation = await self._in_slot(slot, source, key)
        return evaluation

    async def _in_slot(self, slot: Slot, source: str, key: dict[str, Any]) -> Evaluation:
        for lost in range(MAX_LOST_SLOTS + 1):
            ran = await slot.run(source, key["stage"], key["block"])
            quality: dict[str, Any] = {"status": ran.status, "reason": ran.reason}
            grade_s = 0.0
            try:
                if ran.token is not None:
                    quality, grade_s = await slot.timed_grade(ran.token)
                break
            except SlotLost:
                # The outputs went with the grader; running again gives a fresh one both.
                if lost == MAX_LOST_SLOTS:
                    raise
        quality |= {"status": Status(quality["status"]), "grade_s": grade_s}
        return evaluation_of(ran, quality, **key)

    def _key(self, stage: str, block: int) -> dict[str, Any]:
        world = world_of(self.task)
        return {"task": self.task.digest, "world": world, "stage": stage, "block": block}


@asynccontextmanager
async def assessing(
    task: Task,
    *,
    workers: int | None,
    min_level: str = MIN_LEVEL,
    test_is_open: bool = False,
    archive: Archive | None = None,
    journal: Journal | None = None,
    report: Progress | None = None,
) -> AsyncIterator[Assessor]:
    """Open slots for a task and lend an Assessor; archive and journal are left open.

    workers: as many slots as a search has unless told. test_is_open: only what belongs to `verify` may set it.
    """
    executor = LocalExecutor(
        task,
        world_of(task),
        num_slots(task, workers),
        min_level=min_level,
        test_is_open=test_is_open,
        report=report,
    )
    async with executor:
        yield Assessor(task, executor, archive, journal)


async def all_of(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Do things side by side and give their results in order.

    Where one fails, the others are cancelled before its exception leaves: none outlives the slots.
    """
    tasks = [asyncio.create_task(each) for each in work]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
