"""The parents in a prompt: their scores, their seconds, what the task says of them, their source."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from evolve.briefing import Briefing
from evolve.estimates import Gain, estimate, gain
from evolve.prompting import scores
from evolve.prompting.forms import FEEDBACK, INSPIRATION, SCORES, Form, Section, shrinking, whole
from evolve.prompting.words import fenced, filled, number, one_line, uncertain
from evolve.spec import TaskSpec
from evolve.statistics import Grouping
from evolve.view import View

if TYPE_CHECKING:
    from evolve.operators.base import ParentProgram

MAX_FEEDBACK = 6
# Of a failing program's reason its beginning and end are told.
REASON_CHARACTERS = 3_000

TITLES = {
    "diff": "The program to edit",
    "rewrite": "The program to beat",
    "ideate": "The program to beat",
    "crossover": "The first parent",
    "repair": "The program that fails",
}

# A share of a limit from which a program's cost is worth telling.
NEAR_LIMIT = 0.5


def first_parent(kind: str, briefing: Briefing, view: View, parent: ParentProgram) -> list[Section]:
    """Tell the program to work on: how it scored, or how it failed, and its source."""
    title = f"{TITLES[kind]}: step {parent.step}"
    if kind == "repair" or parent.fitness is None:
        said = _failing(parent, briefing.spec)
        return [whole(filled("parent", title=title, scores=said)), _program(parent)]
    origin = view.origins.get(parent.step)
    noise = scores.noise(parent, origin[1] if origin else None, briefing.grouping)
    told, short = _parent_scores(parent, origin, briefing.grouping, noise)
    return [
        Section(
            (
                Form(filled("parent", title=title, scores=told), rank=SCORES),
                Form(filled("parent", title=title, scores=short), _lacking_scores(parent)),
            )
        ),
        _feedback(parent, briefing.grouping),
        _program(parent),
    ]


def second_parent(
    first: ParentProgram, parent: ParentProgram, view: View, grouping: Grouping
) -> list[Section]:
    """Tell the program to join with the first, and where each of the two is ahead."""
    told, short = _parent_scores(parent, view.origins.get(parent.step), grouping)
    against = scores.compared(first, parent, grouping)
    full = f"{told}\n\n{against}" if against else told
    return [
        Section(
            (
                Form(filled("second_parent", step=parent.step, scores=full), rank=SCORES),
                Form(
                    filled("second_parent", step=parent.step, scores=short),
                    _lacking_scores(parent),
                ),
            )
        ),
        _feedback(parent, grouping),
        _program(parent),
    ]


def _lacking_scores(parent: ParentProgram) -> str:
    return f"scores of step {parent.step} by subgroup"


def _parent_scores(
    parent: ParentProgram, origin: tuple[int, Gain] | None, grouping: Grouping, noise: str = ""
) -> tuple[str, str]:
    """Tell a parent's scores: in full, and in one line."""
    short = f"Fitness {_fitness(parent, grouping)}."
    table = scores.score_table(parent.scores, grouping)
    lines = [
        short,
        _origin(parent, origin),
        f"Its idea: {one_line(parent.idea)}" if parent.idea else "",
        f"\n{table}\n" if table else "",
        noise,
        _seconds(parent),
        _tuned(parent),
    ]
    return "\n".join(line for line in lines if line).strip(), short


def _fitness(program: ParentProgram, grouping: Grouping) -> str:
    if program.fitness is None:
        return "none"
    over_draws = estimate(program.scores, grouping) if program.scores else None
    return uncertain(program.fitness, over_draws.standard_error if over_draws else program.se)


def _origin(parent: ParentProgram, origin: tuple[int, Gain] | None) -> str:
    if origin is None:
        return ""
    made = f"by {parent.operator} " if parent.operator else ""
    return f"It was made {made}from step {origin[0]} and gained {scores.gained(origin[1])} on it."


def _seconds(parent: ParentProgram) -> str:
    """Tell the cost of a program that comes near a limit.

    What a clock measured differs from run to run, and a request with it: told of every parent, no
    run that was killed could ask again what it had asked, and no provider could serve a prompt from
    its cache.
    """
    if parent.cpu_s is None or (parent.limit_share or 0.0) < NEAR_LIMIT:
        return ""
    return (
        f"It took {number(parent.cpu_s)} CPU seconds on all instances together; on one instance it "
        f"used {parent.limit_share:.0%} of a limit."
    )


def _tuned(parent: ParentProgram) -> str:
    if not parent.tuned:
        return ""
    times = "once" if len(parent.tuned) == 1 else f"{len(parent.tuned)} times"
    gains = sum(parent.tuned)
    return f"Its constants were varied {times}; {gains or 'none'} of the variants scored higher."


def _failing(parent: ParentProgram, spec: TaskSpec) -> str:
    """Tell what became of a failing program, with its limits and what was measured."""
    lines = [f"Status: {parent.status}."]
    if parent.idea:
        lines.append(f"Its idea: {one_line(parent.idea)}")
    seconds = _seconds(parent)
    limit = f"The limit is {spec.limits.cpu_s:g} CPU seconds on one instance"
    lines.append(f"{limit}, and {spec.limits.memory_mb} MB of memory.")
    if seconds:
        lines.append(f"Measured: {seconds[0].lower()}{seconds[1:]}")
    if parent.reason:
        lines += ["", "What was reported:", "", fenced(_shortened(parent.reason), "text")]
    return "\n".join(lines)


def _shortened(reason: str) -> str:
    if len(reason) <= REASON_CHARACTERS:
        return reason
    half = REASON_CHARACTERS // 2
    return f"{reason[:half]}\n...\n{reason[-half:]}"


def _feedback(parent: ParentProgram, grouping: Grouping) -> Section:
    lines = scores.account(parent, grouping)[:MAX_FEEDBACK]
    return shrinking(
        lines,
        lambda kept: filled("feedback", lines="\n".join(kept)),
        f"lines of the task's account of step {parent.step}",
        FEEDBACK,
    )


def _program(parent: ParentProgram) -> Section:
    return whole(filled("program", program=fenced(parent.source)))


def inspiration(
    other: ParentProgram, first: ParentProgram, view: View, grouping: Grouping
) -> Section:
    """Tell another program in three lines; nothing where it is among the best anyway."""
    if other.step in {standing.step for standing in view.standings}:
        return whole("")
    change = gain(other.scores, first.scores, grouping)
    against = f"; against step {first.step} {scores.gained(change)}" if change else ""
    lines = [f"- Fitness {_fitness(other, grouping)}{against}."]
    if other.idea:
        lines.append(f"- Its idea: {one_line(other.idea)}")
    lines.append(f"- Its parts: {outline(other.source)}")
    text = filled("inspiration", step=other.step, lines="\n".join(lines))
    return Section((Form(text, rank=INSPIRATION), Form("", f"step {other.step} as an inspiration")))


def outline(source: str) -> str:
    """Give the functions of a program, with what they say of themselves, in one line."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return f"{len(source.splitlines())} lines"
    parts = []
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            about = (ast.get_docstring(node) or "").split("\n")[0]
            parts.append(f"`{node.name}` ({about})" if about else f"`{node.name}`")
    return one_line(f"{', '.join(parts)}; {len(source.splitlines())} lines")
