"""Writes the table of a task's baselines into its README, so that the page is never older than they."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from evolve.loader import Task

BEGIN, END = (
    "<!-- baselines: written by `python -m evolve.baselines` -->",
    "<!-- end of baselines -->",
)
SPLITS = ("train", "valid", "test")


def write_page(task: Task, values: Mapping[str, Any]) -> bool:
    """Replace what stands between the marks of a README; tell whether it has them."""
    path = task.folder / "README.md"
    page = path.read_text(encoding="utf-8") if path.is_file() else ""
    before, found, rest = page.partition(BEGIN)
    _, closed, after = rest.partition(END)
    if not (found and closed):
        return False
    text = f"{before}{BEGIN}\n{baselines_table(task, values)}\n{END}{after}"
    path.write_text(text, encoding="utf-8")
    return True


def baselines_table(task: Task, values: Mapping[str, Any]) -> str:
    """Give programs and controls with their scores and places on the grid, the best first."""
    measures = [measure.name for measure in task.spec.measures]
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
            "it); se: of the mean over the instances of `valid`; seconds: of running and grading `train`, "
            f"one core. Best published, by `valid`: `{values['published']['name']}`.",
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
        _number(train.get("seconds"), 2),
    ]


def _score(row: Mapping[str, Any], split: str) -> float:
    score = row[split].get("score")
    return -math.inf if score is None else score


def _number(value: float | None, digits: int = 4) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
