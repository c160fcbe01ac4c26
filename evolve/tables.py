"""What documents look like in a terminal: tables that fit 80 columns, with or without colour."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from rich.console import Group, RenderableType
from rich.text import Text

from evolve.drawing import (
    ID_LETTERS,
    NO_VALUE,
    STATE_STYLES,
    Document,
    clock,
    new_table,
    number,
    with_error,
)

# What a narrow column shows of a name.
NAME_LETTERS = 9
# Of the latest runs that failed so many are told why; `evolve status RUN` tells it of any.
SHOWN_REASONS = 5
# Before what stays in a cell beside an unconfirmed one that is believed better.
INCUMBENT = "└"


def runs_table(runs: Sequence[Document]) -> RenderableType:
    """Draw the runs of an archive."""
    if not runs:
        return Text("no runs yet; `evolve run TASK` starts one")
    table = new_table("run", "task", "state", ">steps", ">best", "started (UTC)", ">time")
    for run in runs:
        table.add_row(
            run["name"],
            run["task"],
            Text(run["state"], style=STATE_STYLES[run["state"]]),
            str(run["steps"]),
            number(run["best_fitness"]),
            run["started"][:16].replace("T", " "),
            clock(run["seconds"]),
        )
    reasons = [
        Text(f"{run['name']} failed: {run['failure'].splitlines()[0]}", style="dim")
        for run in runs
        if run["failure"]
    ]
    return Group(table, *reasons[:SHOWN_REASONS])


def elites_table(elites: Sequence[Document], run: str, limit: int | None = None) -> RenderableType:
    """Draw the elites that cells show, the best first; `limit` of them if told."""
    if not elites:
        return Text(f"{run} has no elites yet")
    measures = list(elites[0]["measures"])[:2]
    shown = elites[:limit]
    table = new_table(
        "program", ">fitness ± se", *(f">{name}" for name in measures), "made by", ">step",
        "parents", ">lines", padding=0,
    )  # fmt: skip
    for elite in shown:
        table.add_row(*_elite_cells(elite, measures))
        if elite["incumbent"]:
            table.add_row(*_elite_cells(elite["incumbent"], measures, INCUMBENT), style="dim")
    notes = [Text(note, style="dim") for note in _notes(elites, run, len(elites) - len(shown))]
    return Group(table, *notes)


TASKS_NOTE = (
    "seconds: wall time of one evaluation while baselines were measured, beside other work. test, evolved: scores on the hidden test, of the best "
    "published program and of what searches from the published ones found (means over rng_seeds). "
    "better: how many of these searches beat the best published one there"
)


def tasks_table(tasks: Sequence[Document]) -> RenderableType:
    """Draw the tasks at hand."""
    if not tasks:
        return Text("no tasks here; `evolve new NAME` makes one")
    table = new_table("task", ">seconds", "best published", ">test", ">evolved", ">better")
    table.add_column("path", overflow="fold")
    for task in tasks:
        published, evolved = task["published"] or {}, task["evolved"] or {}
        runs = len(evolved.get("rng_seeds", ()))
        table.add_row(
            task["task"],
            number(task["seconds_per_evaluation"], 2),
            published.get("name", "not measured"),
            number(published.get("test")),
            number(evolved.get("score")),
            f"{evolved['beats_published']} of {runs}" if runs else NO_VALUE,
            _short_path(task["path"]),
        )
    return Group(table, Text(TASKS_NOTE, style="dim"))


def _elite_cells(elite: Document, measures: Sequence[str], mark: str = "") -> Iterator[str]:
    """Write a row. mark: before its program."""
    yield mark + elite["program"][:ID_LETTERS]
    yield with_error(elite) + ("" if elite["confirmed"] else "?")
    yield from (f"{elite['measures'][name]:.3f}" for name in measures)
    yield _cut(elite["name"] or elite["operator"])
    yield str(elite["step"])
    yield ",".join(map(str, elite["parents"])) or NO_VALUE
    yield str(elite["lines"])


def _cut(name: str) -> str:
    """Cut a name of somebody else's choosing to what a column holds."""
    return name if len(name) <= NAME_LETTERS else name[: NAME_LETTERS - 1] + "…"


def _notes(elites: Sequence[Document], run: str, more: int) -> Iterator[str]:
    """Say what the fitness of elites rests on. more: elites that are not shown."""
    sizes = _range(elite["n"] - elite["fresh"] for elite in elites)
    notes = [f"{run}: {len(elites)} elites, n = {sizes} instances of the search"]
    incumbents = [elite["incumbent"] for elite in elites if elite["incumbent"]]
    confirmed = [elite for elite in (*elites, *incumbents) if elite["confirmed"]]
    if more:
        notes.append(f"{more} more with --json")
    yield "; ".join(notes)
    if confirmed:
        fresh = _range(elite["fresh"] for elite in confirmed)
        yield f"{len(confirmed)} confirmed on {fresh} fresh instances; ? not confirmed"
    else:
        yield "? not confirmed on fresh instances"
    if incumbents:
        yield f"{INCUMBENT} the best confirmed one of its cell, beside what is believed better"
    if any(elite["fitness"] != elite["train_fitness"] for elite in elites):
        yield "fitness is corrected by what fresh instances showed; --json has it as measured"
    if any(elite["standard_error"] == 0.0 for elite in confirmed):
        yield "± 0.0000: the best initial program, by which all others are measured, or one that never differed"


def _range(numbers: Iterable[int]) -> str:
    ordered = sorted(numbers)
    low, high = ordered[0], ordered[-1]
    return str(low) if low == high else f"{low} to {high}"


def _short_path(path: str) -> str:
    """Write a path as seen from here, if it is below."""
    here = Path.cwd()
    return str(Path(path).relative_to(here)) if Path(path).is_relative_to(here) else path
