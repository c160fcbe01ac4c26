"""Statistics of paired comparisons: is one program better than another, and how sure are we?

Everything is paired over instances, since programs differ far less on one instance than instances
differ from each other. Nothing here draws numbers of its own: equal input, equal verdict.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

# A difference counts from so many standard errors, or from this chance of being luck.
MIN_STANDARD_ERRORS = 2.0
ALPHA = 0.05
# The standard error of fewer independent units is itself luck: two that agree look certain.
MIN_UNITS = 4
# The sign must be the same in this share of the subgroups.
MIN_AGREEMENT = 0.75
INTERVAL_LEVEL = 0.95
# Standard errors on each side of a 95 % interval.
Z_95 = 1.959964
# Up to so many pairs all sign flips are tried (65,536); above, as many are drawn.
EXACT_PAIRS = 16
NUM_FLIPS = 65_536
NUM_RESAMPLES = 10_000
# So many halvings find a rate to the last digit.
BISECTIONS = 60
# Flips are made in pieces, so that memory stays below some 64 MiB for any number of pairs.
FLIPS_AT_ONCE = 4_096
# A sum of flipped differences that equals the observed one does so but for its last digits.
TIE_TOLERANCE = 1e-12


@dataclass(frozen=True, slots=True)
class Comparison:
    """One program against a reference, paired.

    n: independent pairs. difference: mean of program less reference, above 0 is better.
    standard_error: of that mean, None below two pairs. interval: 95 %, bootstrap percentiles.
    p: chance of such a mean or a higher one if signs were luck. agreement: share of subgroups in
    which the mean difference is above 0, 1 if there are no subgroups.
    """

    n: int
    difference: float
    standard_error: float | None
    interval: tuple[float, float]
    p: float
    agreement: float


@dataclass(frozen=True, slots=True)
class Grouping:
    """How instances belong together.

    subgroups: {instance: labels such as "budget=5 %"}, by which agreement is asked.
    units: {instance: what it shares with others}, for instances that are no independent draws
    (one pool at three budgets); an instance without an entry is a unit of its own.
    """

    subgroups: Mapping[str, Sequence[str]] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)


def grouping(instances: Iterable[Mapping[str, Any]]) -> Grouping:
    """Read how a task groups instances. instances: {"name", "groups": {kind: label}, "unit"}."""
    subgroups, units = {}, {}
    for instance in instances:
        groups = instance["groups"].items()
        subgroups[instance["name"]] = tuple(f"{kind}={label}" for kind, label in groups)
        if instance["unit"]:
            units[instance["name"]] = instance["unit"]
    return Grouping(subgroups, units)


def compare(
    scores: Mapping[str, float], reference: Mapping[str, float], grouping: Grouping | None = None
) -> Comparison:
    """Compare scores with a reference's on the same instances.

    Raises: ValueError if the two were not scored on the same instances, or on none.
    """
    if not scores or scores.keys() != reference.keys():
        raise ValueError("a paired comparison needs the scores of both on the same instances")
    grouping = grouping or Grouping()
    differences = {name: scores[name] - reference[name] for name in scores}
    independent = unit_means(differences, grouping.units)
    return Comparison(
        n=len(independent),
        difference=float(independent.mean()),
        standard_error=standard_error(independent),
        interval=bootstrap_interval(independent),
        p=sign_flip_p(independent),
        agreement=agreement(differences, grouping.subgroups),
    )


def beats(comparison: Comparison, delta_min: float, adjusted_p: float) -> bool:
    """Decide whether a program is better than its reference.

    adjusted_p: `comparison.p` after Holm's correction over all programs that were examined.
    It is better if the mean difference is two standard errors or its chance of being luck is below
    .05, and it is at least `delta_min` (the task's smallest difference that matters), and the sign
    is the same in three quarters of the subgroups. The rule is as the protocol states it: only p is
    corrected, the standard errors are not. They count from four independent units and if positive;
    below that, or where all units differ alike, p alone decides.
    """
    difference, error = comparison.difference, comparison.standard_error
    if difference <= 0.0 or difference < delta_min or comparison.agreement < MIN_AGREEMENT:
        return False
    return adjusted_p < ALPHA or (
        comparison.n >= MIN_UNITS
        and error is not None
        and error > 0.0
        and difference >= MIN_STANDARD_ERRORS * error
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct p values for having asked several times; order kept. Source: Holm 1979."""
    adjusted, highest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        highest = max(highest, (len(p_values) - rank) * p_values[index])
        adjusted[index] = min(1.0, highest)
    return adjusted


def unit_means(differences: Mapping[str, float], units: Mapping[str, str]) -> np.ndarray:
    """Average what is not independent; give one difference per unit, (n,) in order of first sight."""
    if not units:
        return np.array(list(differences.values()))
    members: dict[tuple[str, str], list[float]] = {}
    for name, difference in differences.items():
        unit = ("unit", units[name]) if name in units else ("instance", name)
        members.setdefault(unit, []).append(difference)
    return np.array([math.fsum(values) / len(values) for values in members.values()])


def standard_error(values: np.ndarray) -> float | None:
    """Give the standard error of a mean, None below two values."""
    if len(values) < 2:
        return None
    return float(np.std(values, ddof=1)) / math.sqrt(len(values))


def sign_flip_p(differences: np.ndarray) -> float:
    """Test whether a mean difference is above 0 (one-sided, paired, by flipping signs).

    Exact up to 16 pairs, otherwise from 65,536 drawn flips, the observed one counted among them.
    Source: Fisher 1935; Phipson & Smyth 2010, arXiv 1603.05766, for the drawn ones.
    """
    observed = float(np.sum(differences))
    bound = observed - TIE_TOLERANCE * float(np.sum(np.abs(differences)))
    if len(differences) <= EXACT_PAIRS:
        numbers = np.arange(2 ** len(differences))[:, None]
        signs = 1 - 2 * ((numbers >> np.arange(len(differences))) & 1)
        return float(np.mean(signs @ differences >= bound))
    rng, as_high = _rng(), 0
    for _ in range(NUM_FLIPS // FLIPS_AT_ONCE):
        signs = 1 - 2 * rng.integers(0, 2, size=(FLIPS_AT_ONCE, len(differences)))
        as_high += int(np.sum(signs @ differences >= bound))
    return (as_high + 1) / (NUM_FLIPS + 1)


def bootstrap_interval(values: np.ndarray, level: float = INTERVAL_LEVEL) -> tuple[float, float]:
    """Give a percentile bootstrap interval of a mean (Efron 1979)."""
    rng, means = _rng(), []
    for _ in range(NUM_RESAMPLES // 1000):
        drawn = rng.integers(0, len(values), size=(1000, len(values)))
        means.append(values[drawn].mean(axis=1))
    tail = 50.0 * (1.0 - level)
    low, high = np.percentile(np.concatenate(means), [tail, 100.0 - tail])
    return float(low), float(high)


def wilson_interval(count: int, n: int) -> tuple[float, float]:
    """Give the 95 % interval of a rate of which `count` of n were seen, n at least 1.

    Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference".
    """
    rate, square = count / n, Z_95**2 / n
    middle = rate + square / 2.0
    reach = Z_95 * math.sqrt((rate * (1.0 - rate) + square / 4.0) / n)
    low, high = (middle - reach) / (1.0 + square), (middle + reach) / (1.0 + square)
    # At the ends one bound is the rate itself but for its last digits.
    return (0.0 if count == 0 else low), (1.0 if count == n else high)


def upper_bound(count: int, n: int) -> float:
    """Give the one-sided 95 % upper bound of a rate of which `count` of n were seen; 1 for n = 0.

    Source: Clopper & Pearson 1934, "The use of confidence or fiducial limits".
    """
    if count >= n:
        return 1.0
    low, high = count / n, 1.0
    for _ in range(BISECTIONS):
        middle = (low + high) / 2.0
        low, high = (middle, high) if _at_most(count, n, middle) > ALPHA else (low, middle)
    return high


def _at_most(count: int, n: int, rate: float) -> float:
    """Give the chance to see at most `count` of n at a rate between 0 and 1."""
    ways = (math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) for k in range(n))
    logs = (
        way + k * math.log(rate) + (n - k) * math.log1p(-rate)
        for k, way in zip(range(count + 1), ways, strict=False)
    )
    return math.fsum(map(math.exp, logs))


def agreement(differences: Mapping[str, float], subgroups: Mapping[str, Sequence[str]]) -> float:
    """Give the share of subgroups whose mean difference is above 0; 1 if there are none."""
    members: dict[str, list[float]] = {}
    for name, difference in differences.items():
        for label in subgroups.get(name, ()):
            members.setdefault(label, []).append(difference)
    if not members:
        return 1.0
    ahead = sum(math.fsum(values) > 0.0 for values in members.values())
    return ahead / len(members)


def _rng() -> np.random.Generator:
    """Give the generator of resampling: always the same, so that a verdict does not wobble."""
    return np.random.Generator(np.random.PCG64(0))
