"""Writes the table of a task's baselines into its README, so that the page is never older than they."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from evolve.loader import Task

BEGIN, END = (
    "<!-- baselines: written by `python -m evolve.baselines` -->",
    "<!-- end of baselines -->",
)
# A page may ask for what is logged besides the measures: "...baselines`, with wrong, strange -->".
_MARKED = re.compile(
    re.escape(BEGIN.removesuffix(" -->"))
    + r"(?:, with (?P<logged>[\w, ]+))? -->.*?"
    + re.escape(END),
    re.DOTALL,
)
SPLITS = ("train", "valid", "test")


def write_page(task: Task, values: Mapping[str, Any]) -> bool:
    """Replace what stands between the marks of a README; tell whether it has them."""
    path = task.folder / "README.md"
    page = path.read_text(encoding="utf-8") if path.is_file() else ""
    found = _MARKED.search(page)
    if not found:
        return False
    begin, logged = found[0].partition("\n")[0], re.findall(r"\w+", found["logged"] or "")
    text = f"{begin}\n{baselines_table(task, values, logged)}\n{END}"
    path.write_text(page[: found.start()] + text + page[found.end() :], encoding="utf-8")
    return True


def baselines_table(task: Task, values: Mapping[str, Any], logged: Sequence[str] = ()) -> str:
    """Give programs and controls with their scores and places on the grid, the best first.

    logged: what is kept beside the measures and shown, too.
    """
    measures = [*(measure.name for measure in task.spec.measures), *logged]
    columns = ["program", "train", "valid", "± se", "test", *measures, "seconds"]
    rows = {
        **values["programs"],
        **{f"{name} (control)": r for name, r in values["controls"].items()},
    }
    best = sorted(rows, key=lambda name: -_score(rows[name], "valid"))
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    lines += [f"| {' | '.join(_cells(name, rows[name], measures))} |" for name in best]
    machine = values["machine"]
    return "\n".join(
        [
            *lines,
            "",
            f"Measured {values['date']} on {machine['cores']} cores ({machine['arch']}, other work beside "
            "it); se: of the mean over the instances of `valid`; measures: on `train`; seconds: wall time "
            "of running and grading `train` beside that other work, so an upper bound (controls are not "
            f"timed). Best published, by `valid`: `{values['published']['name']}`.",
        ]
    )


def _cells(name: str, row: Mapping[str, Any], measures: list[str]) -> list[str]:
    train, valid = row["train"], row["valid"]
    places = train.get("measures", {})
    return [
        name,
        *(_number(row[split].get("score")) for split in ("train", "valid")),
        _number(valid.get("standard_error")),
        _number(row["test"].get("score")),
        *(_number(places.get(measure), 2) for measure in measures),
        # A control runs in the process that measures, and nobody takes its time.
        _number(train.get("seconds") or None, 2),
    ]


def _score(row: Mapping[str, Any], split: str) -> float:
    score = row[split].get("score")
    return -math.inf if score is None else score


def _number(value: float | None, digits: int = 4) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
