"""Ranks programs again at a larger scale: what is best on small pools need not be on large ones.

    python benchmarks/rerank.py                                   # published programs
    python benchmarks/rerank.py --archive results.db --run NAME   # the best of a run, before export

Programs are measured on `valid` as the task is, and with the setting of `--at` changed; both on the
same number of pools, behind the wall. The table is ordered by the larger scale. Last comes the rank
correlation, and for a run, which of its programs to export first.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from archive.errors import ArchiveError
from archive.records import Evaluation, Status
from archive.store import Archive
from evolve.assess import VALID, all_of, assessing
from evolve.errors import EvolveError, UsageError
from evolve.folder import TaskFolder
from evolve.loader import Task, load_task
from evolve.verify import best_programs, unchanged_task

# Letters of a program's hash, as in an exported module's name.
NAME_LETTERS = 8

Measured = tuple[str, Evaluation, Evaluation]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("task", nargs="?", default="data_selection", help="without a run")
    parser.add_argument("--at", default="pool_size=8000", metavar="KEY=NUMBER")
    parser.add_argument("--also", action="append", default=["valid_pools=8"], metavar="KEY=NUMBER")
    parser.add_argument("--archive", help="of the run whose best programs are ranked")
    parser.add_argument("--run", help="its name; the latest one unless given")
    parser.add_argument("--top", type=int, default=10)
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    try:
        task, programs = _asked(options)
        small = _changed(task, options.also)
        large = _changed(task, [*options.also, options.at])
        rows = asyncio.run(_measured((small, large), programs, options.workers))
    except (EvolveError, ArchiveError) as error:
        print(error, file=sys.stderr)
        return getattr(error, "exit_code", 1)
    print(table(rows, options.at))
    return 0


def table(rows: Sequence[Measured], at: str) -> str:
    """Give a table in Markdown, best at the larger scale first, and the rank correlation."""
    ranked = sorted(rows, key=lambda row: -_fitness(row[2]))
    before = {row[0]: n for n, row in enumerate(sorted(rows, key=lambda row: -_fitness(row[1])), 1)}
    lines = [
        f"| program | as the task is | rank | {at} | rank | CPU s a call |",
        "|---|---|---|---|---|---|",
    ]
    for rank, (name, small, large) in enumerate(ranked, 1):
        seconds = large.cpu_s / max(large.n, 1)
        lines.append(
            f"| {name} | {_shown(small)} | {before[name]} | {_shown(large)} | {rank} "
            f"| {seconds:.2f} |"
        )
    both = [row for row in rows if row[1].status is row[2].status is Status.OK]
    if len(both) > 2:
        ranks = [np.argsort(np.argsort([_fitness(row[i]) for row in both])) for i in (1, 2)]
        lines += ["", f"rank correlation {np.corrcoef(*ranks)[0, 1]:.3f} over {len(both)} programs"]
    return "\n".join(lines)


def _asked(options: argparse.Namespace) -> tuple[Task, Mapping[str, str]]:
    """Give the task and the sources of the programs to rank."""
    if options.archive is None:
        task = load_task(options.task)
        return task, task.programs()
    with Archive.open(options.archive, create=False) as archive:
        record = archive.run(options.run)
        best = best_programs(archive, record, options.top)
    return unchanged_task(record), {
        f"program_{program[:NAME_LETTERS]}": source for program, source in best.items()
    }


def _changed(task: Task, pairs: Sequence[str]) -> Task:
    """Give the task with other settings, whole numbers."""
    told = {}
    for pair in pairs:
        key, _, value = pair.partition("=")
        if key not in task.settings or not value.isdigit():
            raise UsageError(f"{pair}: {task.name} has no such setting that is a whole number")
        told[key] = int(value)
    settings: dict[str, Any] = {**task.settings, **told}
    return replace(task, settings=settings, digest=TaskFolder.of(task.folder).digest(settings))


async def _measured(
    tasks: Sequence[Task], programs: Mapping[str, str], workers: int
) -> list[Measured]:
    found = []
    for task in tasks:
        async with assessing(task, workers=workers) as assessor:
            found.append(
                await all_of(assessor.program(source, VALID) for source in programs.values())
            )
    return list(zip(programs, *found, strict=True))


def _fitness(evaluation: Evaluation) -> float:
    return evaluation.fitness if evaluation.fitness is not None else -np.inf


def _shown(evaluation: Evaluation) -> str:
    if evaluation.fitness is None:
        return evaluation.status.value
    return f"{evaluation.fitness:.3f} ± {evaluation.se or 0:.3f}"


if __name__ == "__main__":
    raise SystemExit(main())
