"""Corrected statistics of a grid: its shown elites measured on fresh instances and placed anew.

A grid keeps the luckiest of many noisy programs, and in cells that luck has chosen: its coverage
and its QD score are promises. So every shown elite is evaluated on instances on which nothing was
selected, and put by what it does there into an empty grid: two that meet in one cell leave the
better one, and what fails holds none. Nothing is told: the run's own grid stays as it is.

Source: Flageul & Cully 2023, "Uncertain Quality-Diversity: Evaluation methodology and new methods
for Quality-Diversity in uncertain domains", arXiv 2302.00463 (the corrected archive).
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from archive import queries, views
from archive.journal import Journal
from archive.records import Evaluation, RunRecord
from archive.store import Archive
from archive.views import ShownElite
from evolve.assess import VALID, Assessor, all_of, assessing
from evolve.believed import folded
from evolve.documents import shown_grid
from evolve.errors import UsageError
from evolve.executor import Progress
from evolve.grid import Cell, Elite, Grid, grid_stats
from evolve.loader import Task
from evolve.verify import unchanged_task

Document = dict[str, Any]

# Told of each program that was evaluated: (done, total, its id).
Watch = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Measured:
    """An elite that a cell shows, and what it did on fresh instances."""

    cell: Cell
    elite: Elite
    evaluation: Evaluation


def corrected(
    archive: Archive,
    record: RunRecord,
    *,
    workers: int | None,
    report: Progress | None = None,
    watch: Watch = lambda done, total, name: None,
) -> Document:
    """Evaluate a run's shown elites on its next fresh block of `valid`; give the key `fresh`.

    Evaluations are kept in the archive, so that asking again costs nothing until a step of the run
    has used the block. The hidden test is not read.

    block: its number. instances: of the block. elites: that were evaluated. failed: of these, not
    ok there. kept_cell: of these, in the cell that shows them. archive, corrected: the statistics
    of both grids, see `GridStats`; best and mean are of fitness, None in an empty grid. Where two
    elites meet in one cell the grids hold different ones, so `same` gives the mean fitness of those
    that did not fail, {"archive", "fresh"}. anchor: the best initial program, by which all is
    measured, on the same block, {"program", "fitness", "fresh"}: how easy the block is. programs:
    the elites, the best shown ones first; fresh and fresh_cell are None for what failed.

    Raises: UsageError if the task has changed or the run has no elite; RunBusy while it runs;
    WorldError, TaskError.
    """
    task = unchanged_task(record)
    grid = shown_grid(archive, record, task.spec)
    if not grid.cells:
        raise UsageError(f"{record.name} has no elite yet: there is nothing to measure")
    block = next_fresh_block(archive, record)
    with archive.write(record) as journal:
        measured, anchor = asyncio.run(
            _measured(archive, journal, task, grid, block, workers, report, watch)
        )
    return {"block": block, "anchor": anchor, **compared(grid, measured, task.spec.qd_offset)}


def next_fresh_block(archive: Archive, record: RunRecord) -> int:
    """Give the number of the first block of `valid` that no step of a run was asked to use."""
    used = (step.block for step in queries.steps(archive, record.id) if step.block is not None)
    return 1 + max(used, default=0)


def compared(grid: Grid, measured: Sequence[Measured], qd_offset: float) -> Document:
    """Give the statistics of a grid beside those of its elites placed anew; see `corrected`."""
    anew, rows = Grid(grid.measures, depth=1), []
    for each in measured:
        evaluation, cell = each.evaluation, None
        if evaluation.fitness is not None:
            cell, _ = grid.locate(evaluation.measures)
            anew, _ = anew.place(cell, _anew(each.elite, evaluation))
        rows.append(_row(each, cell))
    return {
        "instances": max((each.evaluation.n for each in measured), default=0),
        "elites": len(rows),
        "failed": sum(row["fresh_cell"] is None for row in rows),
        "kept_cell": sum(row["fresh_cell"] == row["cell"] for row in rows),
        "archive": _statistics(grid, qd_offset),
        "corrected": _statistics(anew, qd_offset),
        "same": _same(rows),
        "programs": sorted(rows, key=lambda row: -row["fitness"]),
    }


async def _measured(
    archive: Archive,
    journal: Journal,
    task: Task,
    grid: Grid,
    block: int,
    workers: int | None,
    report: Progress | None,
    watch: Watch,
) -> tuple[list[Measured], Document | None]:
    """Evaluate the elites that a grid shows, and the anchor, on one block of `valid`."""
    shown = {each.elite.step: each for each in views.shown_elites(archive, journal.run.id)}
    nodes = queries.program_nodes(archive, journal.run.id)
    done = 0

    async def one(assessor: Assessor, cell: Cell, each: ShownElite) -> Measured:
        nonlocal done
        evaluation = await assessor.program(each.source, VALID, block)
        done += 1
        watch(done, len(shown), each.elite.program)
        return Measured(cell, _sized(each, nodes[each.elite.program]), evaluation)

    async with assessing(
        task,
        workers=workers,
        min_level=journal.run.settings["min_level"],
        archive=archive,
        journal=journal,
        report=report,
    ) as assessor:
        found = await all_of(one(assessor, cell, shown[e.step]) for cell, e in grid.shown())
        return found, await _anchor(assessor, archive, journal.run, block)


async def _anchor(
    assessor: Assessor, archive: Archive, record: RunRecord, block: int
) -> Document | None:
    """Evaluate the best initial program on a block; None if a run has none that is valid."""
    state = folded(archive, record)
    told = None if state.anchor is None else state.step(state.anchor)
    if told is None or told.evaluation is None or told.step.source is None:
        return None
    evaluation = await assessor.program(told.step.source, VALID, block)
    return {
        "program": told.step.program,
        "fitness": told.evaluation.fitness,
        "fresh": evaluation.fitness,
    }


def _sized(shown: ShownElite, nodes: int) -> Elite:
    """Give a shown elite with its size, by which the shorter of two equals is preferred."""
    row = shown.elite
    return Elite(row.step, row.program, row.fitness, nodes, row.n, row.se, row.mean, row.error)


def _anew(elite: Elite, evaluation: Evaluation) -> Elite:
    """Give an elite as fresh instances show it, of which nothing more is believed."""
    assert evaluation.fitness is not None
    return Elite(
        elite.step, elite.program, evaluation.fitness, elite.nodes, evaluation.n, evaluation.se
    )


def _row(measured: Measured, cell: Cell | None) -> Document:
    elite, evaluation = measured.elite, measured.evaluation
    return {
        "program": elite.program,
        "step": elite.step,
        "status": evaluation.status.value,
        "cell": list(measured.cell),
        "fitness": elite.mean,
        "fresh_cell": None if cell is None else list(cell),
        "fresh": evaluation.fitness,
        "standard_error": evaluation.se,
    }


def _same(rows: Sequence[Document]) -> Document:
    """Give the mean fitness of the elites that did not fail: as shown, and as measured anew."""
    sound = [row for row in rows if row["fresh"] is not None]
    values = {"archive": "fitness", "fresh": "fresh"}
    return {
        name: math.fsum(row[key] for row in sound) / len(sound) if sound else None
        for name, key in values.items()
    }


def _statistics(grid: Grid, qd_offset: float) -> Document:
    stats = grid_stats(grid, qd_offset)
    return {
        "num_elites": stats.num_elites,
        "coverage": stats.coverage,
        "qd_score": stats.qd_score,
        "norm_qd_score": stats.norm_qd_score,
        "best": stats.obj_max,
        "mean": stats.obj_mean,
    }
