"""Says everything that is wrong with a task before a cent is spent on it.

An error makes results wrong or a search impossible; a warning makes them worse than they could be.
The hidden split is not opened.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Callable, Mapping
from itertools import combinations
from pathlib import Path

from archive.records import Evaluation, Status
from evolve.assess import PROBE, TRAIN, VALID, Assessor, all_of, assessing
from evolve.build import num_slots
from evolve.check.coverage import FLAGS, Range, marked, unreached
from evolve.check.files import read_files
from evolve.check.report import Finding, Report, Row, error, warning
from evolve.check.rows import read_rows
from evolve.errors import TaskError, WorldError
from evolve.executor import UNSOUND, Probed, Progress
from evolve.grid import Grid
from evolve.loader import Task, load_task
from evolve.local import LocalSlot
from evolve.reproduced import reproduce
from sandbox.levels import MIN_LEVEL

__all__ = ["Finding", "Report", "Row", "check"]

# The second run of a program should be another process's.
MIN_SLOTS = 2
# What stands in the reason of an evaluation whose grader, or feed, raised.
STUMBLED = ("/task.py: grade", "/task.py: feed")

# Told of each program that was run: (done, total, its name).
Watch = Callable[[int, int, str], None]


def check(
    name: str | Path,
    *,
    workers: int | None,
    min_level: str = MIN_LEVEL,
    report: Progress | None = None,
    watch: Watch = lambda done, total, program: None,
) -> Report:
    """Check a task by path or name, behind a wall of at least `min_level`; give what was found.

    Raises: WorldError, unless what broke is most likely the task's device.
    """
    try:
        task = load_task(name)
    except TaskError as fault:
        return Report(str(name), tuple(error("task", line) for line in str(fault).splitlines()))
    inspection = _Inspection(task, watch)
    try:
        inspection.findings += read_files(task)
        asyncio.run(inspection.run(workers, min_level, report))
    except TaskError as fault:
        # The task's own code fails: what was found until then stays.
        inspection.error("task.py", str(fault))
    except WorldError as fault:
        if task.spec.device is None:
            raise
        # Whether a device can be had shows only when a program is run on it.
        inspection.error("task.toml: device", str(fault))
    return inspection.result()


class _Inspection:
    """One check under way; findings gather in the order in which they are made."""

    def __init__(self, task: Task, watch: Watch) -> None:
        self.task, self.watch = task, watch
        self.findings: list[Finding] = []
        self.rows: list[Row] = []

    def result(self) -> Report:
        cells = math.prod(measure.bins for measure in self.task.spec.measures)
        used = len({row.cell for row in self.rows if row.cell is not None})
        return Report(self.task.name, tuple(self.findings), tuple(self.rows), cells, used)

    def error(self, about: str, message: str) -> None:
        self.findings.append(error(about, message))

    async def run(self, workers: int | None, min_level: str, report: Progress | None) -> None:
        """Run every program, and ask the grader about the task itself."""
        screened = {
            name: source
            for name, source in self.task.programs().items()
            if not self._refused(f"programs/{name}.py")
        }
        slots = max(MIN_SLOTS, num_slots(self.task, workers))
        async with assessing(
            self.task, workers=slots, min_level=min_level, report=report
        ) as assessor:
            await self._instances(assessor)
            await all_of(self._program(assessor, *item) for item in screened.items())
            self.rows.sort(key=lambda row: -(row.fitness if row.fitness is not None else -math.inf))
            await self._controls(assessor)
            await self._grading(assessor, screened)
            await self._published(assessor)
        self.findings += read_rows(self.task, self.rows)

    def _refused(self, about: str) -> bool:
        return any(f.severity == "error" and f.about == about for f in self.findings)

    async def _instances(self, assessor: Assessor) -> None:
        """Build the blocks that most is read from; the grader refuses what cannot be one."""
        async with assessor.executor.slot(0) as slot:
            described = [await slot.describe(split, 0) for split in (PROBE, TRAIN, VALID)]
        self._dims(described[0][0]["dims"])

    def _dims(self, dims: Mapping[str, int]) -> None:
        for (one, size), (other, same) in combinations(dims.items(), 2):
            if size == same:
                self.error(
                    "task.toml: dims",
                    f"{one} and {other} are both {size} on the first probe: make them differ, "
                    "operators tell arrays apart by their shapes",
                )

    async def _program(self, assessor: Assessor, name: str, source: str) -> None:
        """Run a program twice, each instance in a fresh child, and grade it once."""
        about = f"programs/{name}.py"
        async with assessor.executor.slot(0) as slot:
            probed = await slot.probe(source)
            missed = await _unreached(slot, source)
            for sample in await slot.samples(source):
                if sample["status"] != "ok":
                    self.error(about, f"is {sample['status']} on {sample['name']} of `probe`")
                    break
        evaluation = await assessor.program(source, TRAIN)
        if evaluation.status is Status.OK:
            async with assessor.executor.slot(0) as slot:
                again = await slot.run(source, TRAIN, 0)
            if again.outputs_digest != evaluation.outputs_digest:
                self.error(
                    about,
                    "two runs gave different outputs: draw from `rng` only, and let instances() "
                    "give the same in every process",
                )
            elif probed.determinism == "none":
                self.findings.append(
                    warning(
                        about,
                        "gives other outputs with another hash seed, so nothing can recognise what "
                        "it does: sort what comes out of a set, and read no clock or address",
                    )
                )
        elif any(mark in (reason := evaluation.reason or "") for mark in STUMBLED):
            # The author's own programs are sound answers: what fails on them is the grader.
            if not any(finding.about == "task.py" for finding in self.findings):
                self.error("task.py", reason)
        else:
            self.error(about, f"is {evaluation.status.value} on `train`: {reason}")
        self.rows.append(self._row(name, evaluation, probed, missed))
        self.watch(len(self.rows), len(self.task.programs()), name)

    def _row(
        self,
        name: str,
        evaluation: Evaluation,
        probed: Probed,
        missed: tuple[Range, ...] | None,
    ) -> Row:
        cell, clipped = None, False
        if evaluation.status is Status.OK:
            cell, clipped = Grid(self.task.spec.measures).locate(evaluation.measures)
        return Row(
            program=name,
            status=evaluation.status.value,
            fitness=evaluation.fitness,
            standard_error=evaluation.se,
            cell=cell,
            clipped=clipped,
            seconds=evaluation.wall_s,
            cpu_s=evaluation.cpu_s / max(evaluation.n, 1),
            behaviour=probed.behaviour,
            outputs_digest=evaluation.outputs_digest,
            unreached=missed,
            determinism=probed.determinism,
        )

    async def _controls(self, assessor: Assessor) -> None:
        for name, source in self.task.controls().items():
            evaluation = await assessor.control(source, TRAIN)
            if evaluation.status is not Status.OK:
                self.error(f"controls/{name}.py", f"is {evaluation.status}: {evaluation.reason}")

    async def _published(self, assessor: Assessor) -> None:
        for found in await reproduce(assessor, self.task):
            if not found.agrees:
                gives = found.reason if found.value is None else f"this gives {found.value:.6g}"
                self.error(
                    "task.toml: published_protocol",
                    f"{found.name}: {found.printed} is printed, {gives}",
                )

    async def _grading(self, assessor: Assessor, sources: Mapping[str, str]) -> None:
        """Ask about the graders themselves, with the outputs of the best valid program."""
        valid = [row.program for row in self.rows if row.status == Status.OK]
        if not valid and not self._refused("task.py"):
            self.error("programs", "none is valid on `train`: a search has nothing to start from")
        if not valid:
            return
        source = sources[valid[0]]
        async with assessor.executor.slot(0) as slot:
            differs = (await slot.compare(source, TRAIN, 0))["differs"]
            audits = [await slot.audit(source, split, 0) for split in (PROBE, TRAIN)]
        if differs:
            self.error("task.py", f"grade_many and grade disagree on {differs}")
        for audit in audits:
            if audit["form"]:
                self.error(
                    "task.py",
                    f"the grade of {audit['form']} depends on more than the canonical form "
                    f"{self.task.spec.canonical!r} keeps: equal forms share one grade",
                )
        shared = Counter((pair[1], pair[2]) for audit in audits for pair in audit["leaks"])
        for (private, public), count in shared.items():
            self.findings.append(
                warning(
                    "task.py",
                    f"private {private} equals public {public} in {count} instances: candidates "
                    "see it, so it must be no secret",
                )
            )


async def _unreached(slot: LocalSlot, source: str) -> tuple[Range, ...] | None:
    """Give the lines that no probe reaches; None where a probe ends by the clock, or says nothing."""
    program = marked(source)
    if program is None:
        return None
    seen = await slot.observe(program.source, FLAGS)
    if any(one.status in UNSOUND for one in seen):
        return None
    return unreached(program, (one.value for one in seen))
