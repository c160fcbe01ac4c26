"""Scores in words: tables of subgroups, gains with their standard errors, and the task's account."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from evolve.estimates import Estimate, Gain, by_subgroup, estimate, gain, in_order, kind_of, spread
from evolve.prompting.words import decimals_of, difference, number, one_line, uncertain
from evolve.statistics import MIN_UNITS, Grouping

if TYPE_CHECKING:
    from evolve.operators.base import ParentProgram

# A table of two kinds of subgroups has at most so many cells; more are told line by line.
MAX_CELLS = 40
# Of more subgroups than this only the highest and the lowest are told.
MAX_SUBGROUPS = 10
# Below so many independent draws a model is told how far one of them scatters.
FEW_DRAWS = 30

Say = Callable[[float, float | None, int | None], str]


def score_table(scores: Mapping[str, float], grouping: Grouping) -> str:
    """Give mean scores by subgroup, crossed where there are two kinds of them; "" without any."""
    kinds = _kinds(by_subgroup(scores, grouping))
    if len(kinds) == 2:
        down, across = sorted(kinds, key=lambda kind: len(kinds[kind]), reverse=True)
        if len(kinds[down]) * len(kinds[across]) <= MAX_CELLS:
            return _crossed(
                scores, grouping, (down, list(kinds[down])), (across, list(kinds[across]))
            )
    return "\n".join(f"- by {kind}, {_means(means, uncertain)}" for kind, means in kinds.items())


def gained(change: Gain) -> str:
    """Give a gain with its parts: "+0.012 ± 0.004 (budget 5%: +0.020 ± 0.009, 10%: ...)"."""
    kinds = _kinds(_extremes(change.subgroups))
    errors = [part.standard_error or 0.0 for part in change.subgroups.values()]
    decimals = decimals_of(max(errors, default=0.0))
    parts = [f"{kind} {_means(means, difference, decimals)}" for kind, means in kinds.items()]
    said = difference(change.difference, change.standard_error)
    return f"{said} ({'; '.join(parts)})" if parts else said


def compared(first: ParentProgram, second: ParentProgram, grouping: Grouping) -> str:
    """Tell where each of two parents is ahead; "" if they were not scored alike."""
    change = gain(second.scores, first.scores, grouping)
    if change is None:
        return ""
    said = [f"Against step {first.step}: {gained(change)}."]
    for step, sign in ((first.step, -1), (second.step, 1)):
        ahead = [label for label, part in change.subgroups.items() if sign * part.mean > 0]
        if ahead:
            said.append(f"Step {step} is ahead on {', '.join(ahead)}.")
    return "\n".join(said)


def noise(parent: ParentProgram, change: Gain | None, grouping: Grouping) -> str:
    """Tell how far one draw scatters where draws are few; "" where they are many."""
    whole = estimate(parent.scores, grouping) if parent.scores else None
    if whole is None or not 1 < whole.n < FEW_DRAWS:
        return ""
    if change is not None and change.spread is not None:
        scatter, what = change.spread, "difference from the program that it was made from"
    else:
        scatter, what = spread(whole) or 0.0, "score"
    return (
        f"There are {whole.n} independent draws, and one draw's {what} scatters by "
        f"{scatter:.2g} (standard deviation): a subgroup of one or two draws tells little."
    )


def account(parent: ParentProgram, grouping: Grouping) -> list[str]:
    """Give what the task says of the worst instance of each subgroup, the worst first."""
    told = sorted(
        (parent.scores[name], name) for name, text in parent.feedback.items()
        if text.strip() and name in parent.scores
    )  # fmt: skip
    seen: set[str] = set()
    lines = []
    for score, name in told:
        labels = sorted(grouping.subgroups.get(name, ()), key=in_order) or [""]
        if not seen.issuperset(labels):
            seen.update(labels)
            where = f" ({', '.join(labels)})" if labels != [""] else ""
            text = one_line(parent.feedback[name])
            lines.append(f"- {one_line(name)}{where}, score {number(score)}: {text}")
    return lines


def _kinds(means: Mapping[str, Estimate]) -> dict[str, dict[str, Estimate]]:
    """Sort means by the kind of subgroup, {kind: {label without its kind: mean}}."""
    kinds: dict[str, dict[str, Estimate]] = {}
    for label in sorted(means, key=in_order):
        kind = kind_of(label)
        kinds.setdefault(kind, {})[label.removeprefix(f"{kind}=")] = means[label]
    return kinds


def _means(means: Mapping[str, Estimate], say: Say, decimals: int | None = None) -> str:
    said = ((label, say(part.mean, part.standard_error, decimals)) for label, part in means.items())
    return ", ".join(f"{label}: {text}" for label, text in said)


def _extremes(means: Mapping[str, Estimate]) -> Mapping[str, Estimate]:
    if len(means) <= MAX_SUBGROUPS:
        return means
    ranked = sorted(means, key=lambda label: (means[label].mean, in_order(label)))
    half = MAX_SUBGROUPS // 2
    return {label: means[label] for label in (*ranked[:half], *ranked[-half:])}


def _crossed(
    scores: Mapping[str, float],
    grouping: Grouping,
    down: tuple[str, list[str]],
    across: tuple[str, list[str]],
) -> str:
    """Draw a table of means; down, across: a kind of subgroups and its labels without the kind."""
    labels = {name: set(grouping.subgroups.get(name, ())) for name in scores}
    decimals = decimals_of(estimate(scores, grouping).standard_error)

    def cell(row: str | None, column: str | None) -> str:
        pairs = ((down[0], row), (across[0], column))
        wanted = {f"{kind}={label}" for kind, label in pairs if label is not None}
        chosen = {name: score for name, score in scores.items() if wanted <= labels[name]}
        if not chosen:
            return ""
        part = estimate(chosen, grouping)
        error = part.standard_error if part.n >= MIN_UNITS else None
        return uncertain(part.mean, error, decimals)

    rows: list[str | None] = [*down[1], None]
    columns: list[str | None] = [*across[1], None]
    lines = [[down[0], *(f"{across[0]} {label}" for label in across[1]), "all"]]
    lines.append(["---"] * len(lines[0]))
    lines += [[row or "all", *(cell(row, column) for column in columns)] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
