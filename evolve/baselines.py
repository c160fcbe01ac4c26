"""Measures a task's baselines and keeps them in its baselines.json.

    python -m evolve.baselines TASK

The file holds what a claim is compared with: every program and control on every split, which of
the programs is the best published (on `valid`), and, once the results script has run the searches,
the tuned program, random search and their number of gradings. It is valid for one digest of the
task; another digest makes it stale, and nothing believes it then.

This and `evolve verify` are all that reads the hidden split `test`: programs and controls are
measured on it once, when the file is written (`make baselines`). The best published is chosen on
`valid` alone, so that no choice is made by those scores.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from archive.records import Evaluation, Status
from evolve.assess import TEST, TRAIN, VALID, all_of, assessing
from evolve.baselines_page import write_page
from evolve.build import num_cores
from evolve.errors import EvolveError, TaskError
from evolve.loader import TRIVIAL, Task, load_task
from evolve.reproduced import reproduce
from evolve.world import world_of
from sandbox.levels import LEVELS, MIN_LEVEL

FILE = "baselines.json"
SPLITS = (TRAIN, VALID, TEST)
# What only searches can tell, written by the results script.
SEARCHED = ("tuned", "random_search", "best_of_n", "evolved")

Say = Callable[[str], None]


def main(arguments: list[str] | None = None) -> int:
    """Measure a task's baselines from the command line; give the exit code."""
    parser = argparse.ArgumentParser(prog="python -m evolve.baselines", description=__doc__)
    parser.add_argument("task", help="a task's folder or name")
    parser.add_argument("--workers", type=int, default=num_cores())
    parser.add_argument("--min-level", choices=LEVELS, default=MIN_LEVEL)
    parser.add_argument(
        "--only-page", action="store_true", help="write the README's table anew, measure nothing"
    )
    options = parser.parse_args(arguments)
    try:
        task = load_task(options.task)
        if options.only_page:
            values, missing = current_baselines(task)
            if missing:
                raise TaskError(missing)
            write_page(task, values)
        else:
            values = measure(task, workers=options.workers, min_level=options.min_level, say=print)
    except EvolveError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    published = values["published"]
    print(f"{task.folder / FILE}: best published is {published['name']}, {published['valid']:.4f}")
    return 0


def measure(
    task: Task, *, workers: int, min_level: str = MIN_LEVEL, say: Say = lambda line: None
) -> dict[str, Any]:
    """Measure all programs and controls on all splits; write and give baselines.json.

    What searches found (`tuned`, `random_search`) is kept if it was found under the same digest.
    Raises: TaskError if no program is valid, or the task's own code fails; WorldError.
    """
    searched, _ = current_baselines(task)
    values = asyncio.run(_measure(task, workers, min_level, say))
    values |= {name: searched.get(name) for name in SEARCHED}
    write_baselines(task, values)
    write_page(task, values)
    return values


def current_baselines(task: Task) -> tuple[dict[str, Any], str | None]:
    """Give a task's baselines and None; or, if they are missing or stale, {} and why."""
    values = task.baselines()
    if not values:
        return (
            {},
            f"{task.name}: baselines are not measured yet (`python -m evolve.baselines {task.folder}`)",
        )
    if values.get("digest") != task.digest:
        return (
            {},
            f"{task.name}: {FILE} is stale: the task or its settings differ from what it was measured under",
        )
    return values, None


def write_baselines(task: Task, values: Mapping[str, Any]) -> None:
    """Write baselines.json whole, by way of a file beside it.

    That file is hidden, since a task's digest skips only hidden ones: a write that was cut off must
    not make another task of it.
    """
    path = task.folder / FILE
    beside = task.folder / f".{FILE}.new"
    beside.write_text(json.dumps(dict(values), indent=1, sort_keys=True) + "\n", encoding="utf-8")
    beside.replace(path)


def stamp(task: Task) -> dict[str, Any]:
    """Give what a measurement is worth nothing without: of what, when and on what machine."""
    return {
        "task": task.name,
        "digest": task.digest,
        "world": world_of(task),
        "date": datetime.now(UTC).date().isoformat(),
        "machine": {"cores": num_cores(), "arch": platform.machine()},
    }


async def _measure(task: Task, workers: int, min_level: str, say: Say) -> dict[str, Any]:
    async with assessing(task, workers=workers, min_level=min_level, test_is_open=True) as assessor:
        programs = await _table(task.programs(), assessor.program, say)
        controls = await _table(task.controls(), assessor.control, say)
        printed = await reproduce(assessor, task)
    valid = {
        name: row[VALID]["score"]
        for name, row in programs.items()
        if row[VALID]["status"] == Status.OK
    }
    if not valid:
        raise TaskError(f"{task.name}: no program is valid on `{VALID}`; `evolve check` tells more")
    best = max(valid, key=lambda name: valid[name])
    return {
        **stamp(task),
        "programs": programs,
        "controls": controls,
        "published": _summary(best, programs[best]),
        "random": _summary(TRIVIAL, programs[TRIVIAL]) if TRIVIAL in programs else None,
        "published_protocol": {
            found.name: float(found.rounded) if found.rounded else None for found in printed
        },
    }


async def _table(
    sources: Mapping[str, str], evaluate: Callable[[str, str], Any], say: Say
) -> dict[str, dict[str, Any]]:
    async def row(name: str, source: str) -> dict[str, Any]:
        cells = {split: _cell(await evaluate(source, split)) for split in SPLITS}
        scores = ", ".join(f"{split} {_number(cells[split]['score'])}" for split in SPLITS)
        say(f"{name}: {scores}")
        return cells

    rows = await all_of(row(name, source) for name, source in sources.items())
    return dict(zip(sources, rows, strict=True))


def _cell(evaluation: Evaluation) -> dict[str, Any]:
    """Give what is kept of an evaluation: its spread, its place on the grid, its cost.

    seconds: wall time of running and grading it, all instances, beside whatever else the machine did.
    """
    values: dict[str, Any] = {"status": evaluation.status.value, "score": evaluation.fitness}
    if evaluation.status is not Status.OK:
        return values | {"reason": evaluation.reason}
    return values | {
        "standard_error": evaluation.se,
        "n": evaluation.n,
        "measures": dict(evaluation.measures),
        "seconds": round(evaluation.wall_s + evaluation.grade_s, 3),
    }


def _summary(name: str, row: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {"name": name, **{split: row[split]["score"] for split in SPLITS}}


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


if __name__ == "__main__":
    sys.exit(main())
