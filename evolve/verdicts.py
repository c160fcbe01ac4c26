"""What `evolve verify` says of each program: what it gains on a baseline, and how far luck goes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from archive.records import Evaluation, Status
from evolve.statistics import (
    Comparison,
    Grouping,
    beats,
    compare,
    holm,
    standard_error,
    unit_means,
)

PUBLISHED, TUNED = "published", "tuned"

Evaluations = Mapping[str, Evaluation]
"""Of programs by id, and of the baselines by what they are: "published", "tuned", "random"."""


def program_rows(
    programs: Iterable[str],
    test: Evaluations,
    valid: Evaluations,
    grouping: Grouping,
    *,
    delta_min: float,
    num_examined: int,
) -> list[dict[str, Any]]:
    """Compare each program with both baselines, in pairs over the instances of `test`.

    num_examined: the programs over which p values are corrected: these, and those of earlier looks.
    delta_min: the smallest difference that matters, in units of the score.
    """
    programs = list(programs)
    published = _verdicts(programs, test, PUBLISHED, grouping, delta_min, num_examined)
    tuned = _verdicts(programs, test, TUNED, grouping, delta_min, num_examined)
    return [
        {
            "program": program,
            "status": test[program].status.value,
            "reason": test[program].reason,
            "score": test[program].fitness,
            **optimism(test[program], valid[program]),
            **_gain(published.get(program)),
            "subgroups": _subgroups(test[program], test[PUBLISHED], grouping)
            if program in published
            else None,
            "beats_published": program in published and published[program].beats,
            **{f"{key}_tuned": value for key, value in _gain(tuned.get(program)).items()},
            "beats_tuned": tuned[program].beats if program in tuned else None,
        }
        for program in programs
    ]


def optimism(test: Evaluation, valid: Evaluation) -> dict[str, float | None]:
    """Give the score on `valid`, and by how much it is above that on `test`.

    None where one is missing. The splits differ in more than luck: what a baseline loses, which
    nothing has searched for, says how much.
    """
    if test.fitness is None or valid.fitness is None:
        return {"valid": valid.fitness, "optimism": None}
    return {"valid": valid.fitness, "optimism": valid.fitness - test.fitness}


@dataclass(frozen=True, slots=True)
class _Verdict:
    """A comparison with one baseline. p: corrected; that of the comparison is not."""

    comparison: Comparison
    p: float
    beats: bool


def _verdicts(
    programs: Iterable[str],
    test: Evaluations,
    reference: str,
    grouping: Grouping,
    delta_min: float,
    num_examined: int,
) -> dict[str, _Verdict]:
    """Judge the programs that are ok on `test`; {} if the reference was not measured, or fails."""
    other = test.get(reference)
    if other is None or other.status is not Status.OK:
        return {}
    compared = {
        program: compare(test[program].scores, other.scores, grouping)
        for program in programs
        if test[program].status is Status.OK
    }
    # Those of earlier looks, and those that fail, count as having shown nothing: ours are corrected
    # by as much as any p values of theirs could ask for.
    others = [1.0] * (num_examined - len(compared))
    corrected = holm([*(each.p for each in compared.values()), *others])
    return {
        program: _Verdict(each, p, beats(each, delta_min, p))
        for (program, each), p in zip(compared.items(), corrected, strict=False)
    }


def _gain(verdict: _Verdict | None) -> dict[str, Any]:
    if verdict is None:
        return dict.fromkeys(("difference", "standard_error", "interval", "p", "agreement"))
    return {
        "difference": verdict.comparison.difference,
        "standard_error": verdict.comparison.standard_error,
        "interval": list(verdict.comparison.interval),
        "p": verdict.p,
        "agreement": verdict.comparison.agreement,
    }


def _subgroups(
    program: Evaluation, reference: Evaluation, grouping: Grouping
) -> dict[str, dict[str, Any]]:
    """Give the mean difference in each subgroup, by its label such as "budget=5 %".

    n: independent units in it. standard_error: None below two.
    """
    members: dict[str, dict[str, float]] = {}
    for name, score in program.scores.items():
        for label in grouping.subgroups.get(name, ()):
            members.setdefault(label, {})[name] = score - reference.scores[name]
    subgroups = {}
    for label, differences in sorted(members.items()):
        independent = unit_means(differences, grouping.units)
        subgroups[label] = {
            "difference": float(independent.mean()),
            "standard_error": standard_error(independent),
            "n": len(independent),
        }
    return subgroups
