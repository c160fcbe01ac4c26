"""What the programs' results tell about a task: its grid, probes, limits and baselines."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import combinations

from archive.records import Status
from evolve.baselines import current_baselines
from evolve.check.coverage import Range, written
from evolve.check.report import Finding, Row, error, warning
from evolve.loader import Task
from evolve.world import world_of

# A program whose measures lie outside the grid's ranges shares a cell with all that do.
MAX_CLIPPED_SHARE = 0.25
# Time limits judge as little as they can: this many times the slowest program.
LIMIT_RATIO = 20.0
# What a program scored before and scores now may differ by so much, relative: in the same world
# only by how a file writes numbers, in another one by the last digits of its libraries.
SAME_WORLD_TOLERANCE, OTHER_WORLD_TOLERANCE = 1e-9, 1e-2
# Of a line that no probe reaches, enough to recognise it.
SHOWN_LETTERS = 60


def read_rows(task: Task, rows: Sequence[Row]) -> Iterator[Finding]:
    """Give what is wrong, as seen by the programs' results on `train`."""
    yield from _spread([row for row in rows if row.cell is not None])
    yield from _probes(task, rows)
    yield from _coverage(task, rows)
    yield from _limits(task, rows)
    yield from _baselines(task, rows)


def _spread(valid: Sequence[Row]) -> Iterator[Finding]:
    clipped = [row.program for row in valid if row.clipped]
    if len(clipped) > MAX_CLIPPED_SHARE * len(valid):
        yield warning(
            "task.toml: measures",
            f"{len(clipped)} of {len(valid)} programs lie outside the ranges "
            f"({', '.join(clipped)}): widen them",
        )
    if len(valid) > 1 and len({row.cell for row in valid}) == 1:
        yield warning("task.toml: measures", f"all {len(valid)} programs are in one cell")


def _probes(task: Task, rows: Sequence[Row]) -> Iterator[Finding]:
    """Name the programs that behave alike where they should not."""
    exact = task.spec.probes == "exact"
    for one, other in combinations(rows, 2):
        pair = f"{one.program} and {other.program}"
        if one.outputs_digest is not None and one.outputs_digest == other.outputs_digest:
            yield warning("programs", f"{pair} give the same outputs on `train`")
        elif one.behaviour is not None and one.behaviour == other.behaviour:
            message = f"do not tell {pair} apart, though `train` does"
            yield (
                error("probes", f"{message}: so they are not `exact`")
                if exact
                else warning("probes", message)
            )


def _coverage(task: Task, rows: Sequence[Row]) -> Iterator[Finding]:
    """Name the lines that no probe reaches."""
    for row in rows:
        about = f"programs/{row.program}.py"
        if row.unreached is None and row.status == Status.OK:
            yield warning(about, "which lines the probes reach could not be told")
        elif row.unreached:
            first, _ = row.unreached[0]
            line = task.programs()[row.program].split("\n")[first - 1].strip()
            yield warning(
                about,
                f"no probe reaches {_plural(row.unreached)} {written(row.unreached)} "
                f"(line {first}: `{line[:SHOWN_LETTERS]}`): let one of them take that way, since "
                "a change there is invisible to the functional hash",
            )


def _plural(ranges: Sequence[Range]) -> str:
    return "line" if len(ranges) == 1 and ranges[0][0] == ranges[0][1] else "lines"


def _limits(task: Task, rows: Sequence[Row]) -> Iterator[Finding]:
    slowest = max(rows, key=lambda row: row.cpu_s, default=None)
    bound = task.spec.limits.cpu_s
    if slowest is not None and LIMIT_RATIO * slowest.cpu_s > bound:
        yield warning(
            "task.toml: limits.cpu_s",
            f"is {bound:g}, and {slowest.program} needs {slowest.cpu_s:.2g} s for one instance: "
            f"allow {LIMIT_RATIO:.0f} times that, unless the limit is part of the task",
        )


def _baselines(task: Task, rows: Sequence[Row]) -> Iterator[Finding]:
    values, missing = current_baselines(task)
    if missing:
        yield warning("baselines.json", missing)
        return
    same_world = values["world"] == world_of(task)
    tolerance = SAME_WORLD_TOLERANCE if same_world else OTHER_WORLD_TOLERANCE
    for row in rows:
        then = values["programs"].get(row.program, {}).get("train", {}).get("score")
        if then is None or row.fitness is None:
            yield warning("baselines.json", f"{row.program} was not measured: measure again")
        elif not math.isclose(row.fitness, then, rel_tol=tolerance, abs_tol=tolerance):
            yield error(
                "baselines.json",
                f"{row.program} scores {row.fitness:.6g} on `train` and scored {then:.6g}",
            )
