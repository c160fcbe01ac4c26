"""The parts of a prompt, each in the forms that it can be shortened to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from evolve.briefing import Briefing
from evolve.estimates import gain
from evolve.prompting import scores
from evolve.prompting.forms import (
    BEST_SOURCE,
    FAILURES,
    HIGHEST_IDEAS,
    LATEST_IDEAS,
    SPECIALIST_SOURCE,
    STANDINGS,
    Form,
    Section,
    halvings,
    shrinking,
    whole,
)
from evolve.prompting.instruction import instruction
from evolve.prompting.parents import first_parent, inspiration, outline, second_parent
from evolve.prompting.words import fenced, filled, listed, number, one_line, uncertain
from evolve.statistics import Grouping
from evolve.view import Failure, Standing, Tried, View

if TYPE_CHECKING:
    from evolve.operators.base import ParentProgram

# What the grid thought of a program.
PLACEMENTS = {"NEW": "first of its cell", "IMPROVED": "kept", "NOT_ADDED": "not kept"}


def num_joined(kind: str) -> int:
    """Give how many parents a kind works on; further ones only inspire."""
    return 2 if kind == "crossover" else 1


def all_of(
    kind: str,
    briefing: Briefing,
    view: View,
    parents: Sequence[ParentProgram],
    target: float | None,
) -> list[Section]:
    """Give the parts of a prompt behind its stable one, in reading order."""
    grouping, joined = briefing.grouping, parents[: num_joined(kind)]
    found = [
        _ideas(view),
        *first_parent(kind, briefing, view, joined[0]),
        *(part for other in joined[1:] for part in second_parent(joined[0], other, view, grouping)),
        *(inspiration(other, joined[0], view, grouping) for other in parents[len(joined) :][:1]),
        _standings(view, joined, grouping),
        *_sources(view, joined),
        _failures(view, joined[0]),
        whole(instruction(kind, briefing.spec, view, joined, target)),
    ]
    return [section for section in found if any(form.text for form in section.forms)]


def _ideas(view: View) -> Section:
    highest, latest = list(map(_idea, view.highest)), list(map(_idea, view.newest))
    sizes = [
        (len(highest), count, LATEST_IDEAS if count else HIGHEST_IDEAS)
        for count in halvings(len(latest))
    ]
    sizes += [(count, 0, HIGHEST_IDEAS) for count in halvings(len(highest))[1:]]
    return Section(tuple(_idea_form(highest[:a], latest[:b], view, rank) for a, b, rank in sizes))


def _idea_form(highest: list[str], latest: list[str], view: View, rank: int) -> Form:
    total = len(view.tried)
    missing = total - len(highest) - len(latest)
    lacks = f"{missing} of {total} ideas tried" if missing else ""
    if missing == total:
        return Form("", lacks, rank)
    lines = []
    if highest:
        lines += ["Behind the programs that stand highest:", *highest]
    if latest:
        lines += [*([""] if lines else []), "The latest others, newest first:", *latest]
    parts = any(tried.gain and tried.gain.subgroups for tried in view.tried)
    said = " In brackets the same within each subgroup." if parts else ""
    return Form(filled("ideas", subgroups=said, lines="\n".join(lines)), lacks, rank)


def _idea(tried: Tried) -> str:
    origin = "" if tried.parent is None else f" of {tried.parent}"
    if tried.kinship:
        result = f"gave {tried.kinship}"
    elif tried.gain:
        result = f"{number(tried.fitness or 0.0)}, {scores.gained(tried.gain)}"
    else:
        result = "no score" if tried.fitness is None else number(tried.fitness)
    placed = PLACEMENTS.get(tried.placement or "")
    ending = f", {placed}" if placed else ""
    return (
        f"- step {tried.step}, {tried.operator}{origin}: {one_line(tried.idea)} | {result}{ending}"
    )


def _standings(view: View, parents: Sequence[ParentProgram], grouping: Grouping) -> Section:
    known = {parent.step for parent in parents}
    lines = [_standing(standing, parents[0], known, grouping) for standing in view.standings]
    return shrinking(
        lines,
        lambda kept: filled("standings", lines="\n".join(kept)),
        "leading programs",
        STANDINGS,
    )


def _standing(
    standing: Standing, parent: ParentProgram, known: set[int], grouping: Grouping
) -> str:
    made = f", {standing.operator}" if standing.operator else ""
    said = f"- step {standing.step}{made}, {_labels(standing)}: "
    said += uncertain(standing.fitness, standing.standard_error)
    change = gain(standing.scores, parent.scores, grouping)
    if standing.step in known:
        return f"{said}; it stands above."
    if change is not None:
        said += f"; against step {parent.step} {scores.gained(change)}"
    return f"{said}. {one_line(standing.idea)}" if standing.idea else f"{said}."


def _labels(standing: Standing) -> str:
    best = "best of all" if "best" in standing.labels else ""
    groups = [label for label in standing.labels if label != "best"]
    if not groups:
        return best
    return f"{best}, and of {listed(groups)}" if best else f"best of {listed(groups)}"


def _sources(view: View, parents: Sequence[ParentProgram]) -> list[Section]:
    """Give the best program that is no parent in full, and the next in short.

    In trial searches one in full and one in three lines did better than several in full.
    """
    known = {parent.step for parent in parents}
    others = [standing for standing in view.standings if standing.step not in known]
    found = []
    for standing in others[:1]:
        said = {"step": standing.step, "labels": _labels(standing)}
        full = filled("standing_program", program=fenced(standing.source), **said)
        rank = BEST_SOURCE if "best" in standing.labels else SPECIALIST_SOURCE
        lacking = f"the program of step {standing.step}"
        found.append(
            Section((Form(full, "", rank), _in_short(standing, lacking), Form("", lacking)))
        )
    for standing in others[1:2]:
        lacking = f"the parts of step {standing.step}"
        found.append(Section((_in_short(standing), Form("", lacking))))
    return found


def _in_short(standing: Standing, lacks: str = "") -> Form:
    parts = outline(standing.source)
    text = filled("standing_outline", step=standing.step, labels=_labels(standing), parts=parts)
    return Form(text, lacks, SPECIALIST_SOURCE)


def _failures(view: View, parent: ParentProgram) -> Section:
    lines = [_failure(failure) for failure in view.failures if failure.step != parent.step]
    return shrinking(
        lines, lambda kept: filled("failures", lines="\n".join(kept)), "failures", FAILURES
    )


def _failure(failure: Failure) -> str:
    times = f", {failure.times} times lately" if failure.times > 1 else ""
    idea = f" | {one_line(failure.idea)}" if failure.idea else ""
    said = (
        f"{failure.status}{times}: {one_line(failure.reason)}" if failure.reason else failure.status
    )
    return f"- step {failure.step}, {failure.operator}, {said}{idea}"
