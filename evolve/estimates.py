"""Means over independent draws with their standard errors, as they are told to a model.

All is summed up in the order of names: equal scores give equal numbers to the last digit, in
whatever order they come, and so the same prompt.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from evolve.statistics import MIN_UNITS, Grouping, standard_error, unit_means


class Estimate(NamedTuple):
    """A mean over independent draws; standard_error: None below two of them. n: how many."""

    mean: float
    standard_error: float | None
    n: int = 0


@dataclass(frozen=True, slots=True)
class Gain:
    """A program against its first parent, paired over independent draws; above 0 is better.

    spread: standard deviation of one draw's difference. subgroups: {label: difference}.
    """

    difference: float
    standard_error: float | None
    spread: float | None = None
    subgroups: Mapping[str, Estimate] = field(default_factory=dict)


def gain(
    scores: Mapping[str, float], reference: Mapping[str, float], grouping: Grouping
) -> Gain | None:
    """Compare scores with a reference's; None if they are not of the same instances, or of none."""
    if not scores or scores.keys() != reference.keys():
        return None
    differences = {name: scores[name] - reference[name] for name in scores}
    whole = estimate(differences, grouping)
    parts = by_subgroup(differences, grouping)
    return Gain(whole.mean, whole.standard_error, spread(whole), parts)


def estimate(values: Mapping[str, float], grouping: Grouping) -> Estimate:
    """Average {instance: value} over its independent draws. Raises: ValueError if there is none."""
    if not values:
        raise ValueError("nothing to average")
    means = unit_means({name: values[name] for name in sorted(values)}, grouping.units)
    return Estimate(float(means.mean()), standard_error(means), len(means))


def by_subgroup(values: Mapping[str, float], grouping: Grouping) -> dict[str, Estimate]:
    """Average {instance: value} within each subgroup, {label: mean}, in the order of labels.

    The standard error of fewer than four draws would be luck itself: two that agree look certain.
    They get the one that the scatter of all draws within subgroups of their kind lets expect.
    """
    members: dict[str, dict[str, float]] = {}
    for name, value in values.items():
        for label in grouping.subgroups.get(name, ()):
            members.setdefault(label, {})[name] = value
    means = {label: estimate(members[label], grouping) for label in sorted(members, key=in_order)}
    kinds: dict[str, list[Estimate]] = {}
    for label, mean in means.items():
        kinds.setdefault(kind_of(label), []).append(mean)
    scatter = {kind: _pooled(found) for kind, found in kinds.items()}
    return {label: _steadied(mean, scatter[kind_of(label)]) for label, mean in means.items()}


def _pooled(means: Sequence[Estimate]) -> float | None:
    """Give the standard deviation of one draw within its subgroup, pooled; None if all have one."""
    squares = math.fsum(
        (mean.n - 1) * mean.n * mean.standard_error**2
        for mean in means
        if mean.standard_error is not None
    )
    freedom = sum(mean.n - 1 for mean in means)
    return math.sqrt(squares / freedom) if freedom else None


def _steadied(mean: Estimate, scatter: float | None) -> Estimate:
    if mean.n >= MIN_UNITS:
        return mean
    error = None if scatter is None else scatter / math.sqrt(mean.n)
    return mean._replace(standard_error=error)


def spread(whole: Estimate) -> float | None:
    """Give the standard deviation of one draw, None below two draws."""
    return None if whole.standard_error is None else whole.standard_error * math.sqrt(whole.n)


def in_order(label: str) -> tuple[tuple[bool, float, str], ...]:
    """Give what labels are sorted by, so that "budget=5%" comes before "budget=10%"."""
    parts = re.split(r"(\d+(?:\.\d+)?)", label)
    return tuple(
        (True, float(part), "") if place % 2 else (False, 0.0, part)
        for place, part in enumerate(parts)
    )


def kind_of(label: str) -> str:
    """Give what kind of subgroup a label names: "budget" of "budget=5%"."""
    return label.partition("=")[0]
