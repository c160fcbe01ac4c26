"""Exports what the searches behind docs/results.md found, a program for each task.

    python benchmarks/discoveries.py TASK [TASK ...] --archive results.db [--to docs/discoveries]

Of the runs of the arm `published` it takes the one whose best program is believed best: what is
believed rests on `train` and on fresh blocks of `valid`, so the hidden test chooses nothing. The
package is what `evolve export` writes, with what the one look at the hidden test said of it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from results import ARMS, FINISHED, ROOT, find_run

from archive import queries
from archive.records import RunRecord
from archive.store import Archive
from evolve.errors import EvolveError
from evolve.export import export
from evolve.loader import Task, load_task
from evolve.verify import best_programs

ARM = "published"
assert ARM in ARMS


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("tasks", nargs="+", metavar="TASK")
    parser.add_argument("--archive", default="results.db")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5], help="rng_seeds")
    parser.add_argument("--to", type=Path, default=ROOT / "docs" / "discoveries")
    options = parser.parse_args(arguments)
    try:
        with Archive.open(options.archive) as archive:
            for name in options.tasks:
                task = load_task(name)
                record = believed_best(archive, task, options.seeds)
                program = next(iter(best_programs(archive, record, 1)))
                (module,) = export(archive, program, options.to / task.name)
                print(f"{options.to / task.name}: {module} of {record.name}")
    except EvolveError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


def believed_best(archive: Archive, task: Task, rng_seeds: list[int]) -> RunRecord:
    """Give the finished run whose best program is believed best. Raises: EvolveError."""
    found = [find_run(archive, task, ARM, rng_seed) for rng_seed in rng_seeds]
    finished = [record for record in found if record and record.stop_reason in FINISHED]
    if not finished:
        raise EvolveError(
            f"{archive.where}: no finished run of {task.name}; `make results` makes them"
        )
    fitness = queries.best_fitness(archive)
    return max(finished, key=lambda record: fitness[record.id])


if __name__ == "__main__":
    sys.exit(main())
