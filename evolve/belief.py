"""What is believed of a program's true fitness: its measured gain, shrunk, and what fresh blocks say.

The best of many noisy scores is the luckiest. So a gain on the train block is believed in the part
that such gains were seen to keep on fresh blocks (empirical Bayes), and what a program showed on
fresh blocks itself is weighed against that. Beliefs are normal distributions on the scale of the
train block; the difficulty of a fresh block is estimated from programs that are well known.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from evolve.statistics import unit_means

# Assumed of gains before any was confirmed: this part of it holds, as if so many challengers had
# shown it. One or two lucky ones must not end all doubt.
PRIOR_SLOPE = 0.5
PRIOR_WEIGHT = 5.0
# No score is moved further than so many standard errors of its gain: what is far beyond noise is no
# luck, though most gains be (limited translation, Efron & Morris 1971).
MOST_MOVED = 2.0
# Gains of more standard errors than this say nothing of what noise does.
BEYOND_NOISE = 4.0
# How blocks differ in difficulty is said by so many of them; of fewer the scatter is itself luck.
LEAST_BLOCKS = 5
# Below this a variance is rounding; and it stands for certainty.
LEAST_VARIANCE = 1e-18
# What rounding may add to a mean, as a share of the numbers that go into it: generous.
ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Belief:
    """What a program's worth is believed from.

    base, doubt: mean and variance of what was believed of its parent when it was told. gain: its
    measured fitness less the parent's; noise: the variance of that, None where nobody knows.
    chosen: whether it is one of many children, so that its gain may be luck; an initial program is
    believed as measured.
    found, weight: what fresh blocks showed, on the scale of the train block, and the precision of
    that (0 for what was never confirmed). fresh: instances of those blocks.
    """

    base: float
    gain: float = 0.0
    noise: float | None = None
    doubt: float = 0.0
    chosen: bool = True
    found: float = 0.0
    weight: float = 0.0
    fresh: int = 0

    @property
    def confirmed(self) -> bool:
        return self.fresh > 0

    @property
    def most(self) -> float:
        """A bound that no calibration's mean passes: never more is kept of a gain than was measured."""
        return self.at_most(self.base + max(self.gain, 0.0))

    def at_most(self, prior: float) -> float:
        """Give a bound on the mean if no more than `prior` is believed before any fresh block."""
        most = max(prior, self.found) if self.weight else prior
        return most + ROUNDING * (abs(self.base) + abs(self.gain) + abs(self.found))


@dataclass(frozen=True, slots=True)
class Comparison:
    """What programs gave on one fresh block, all on the same instances.

    means: per program, None for one that failed there. noise: the variance of the difference of each
    two means, in pairs; None where nobody knows. n: instances.
    """

    means: tuple[float | None, ...]
    noise: tuple[tuple[float | None, ...], ...]
    n: int

    def plain(self) -> dict[str, Any]:
        """Give it as a row keeps it."""
        return {"means": list(self.means), "noise": list(map(list, self.noise)), "n": self.n}


def comparison_of(plain: Mapping[str, Any]) -> Comparison:
    """Read what `Comparison.plain` gave."""
    return Comparison(tuple(plain["means"]), tuple(map(tuple, plain["noise"])), plain["n"])


@dataclass(frozen=True)
class Calibration:
    """What confirm steps have taught of gains, of blocks and of noise, as sums.

    challengers: those seen on their first fresh block; missed: the shares of their gains that were
    not found there. pairs: those of them whose gains noise could explain, with the gain that they
    were measured to have and the one that was found; found against gain is a line, by ridge
    regression towards one half.
    blocks: fresh blocks, with the score of the anchor there less its score on the train block.
    children: with the logarithms of the noise of their gains.
    """

    challengers: int = 0
    missed: float = 0.0
    pairs: int = 0
    gain: float = 0.0
    found: float = 0.0
    gain_gain: float = 0.0
    gain_found: float = 0.0
    blocks: int = 0
    level: float = 0.0
    level_level: float = 0.0
    children: int = 0
    log_noise: float = 0.0

    def plain(self) -> dict[str, float]:
        """Give the sums as a row keeps them, from one confirm step to the next.

        Children told in between are not in them: `typical_noise` of what is read is that of the
        last confirm step, while all that confirm steps teach is as it is now.
        """
        return asdict(self)

    @cached_property
    def slope(self) -> float:
        """The share of a gain that is believed, from 0 (all was luck) to 1 (all holds)."""
        if self.gain_gain <= 0.0:
            return PRIOR_SLOPE
        number, weight = self.pairs + PRIOR_WEIGHT, PRIOR_WEIGHT * self.gain_gain / self.pairs
        right = number * (self.gain_found + PRIOR_SLOPE * weight) - self.gain * self.found
        slope = right / (number * (self.gain_gain + weight) - self.gain**2)
        return min(max(slope, 0.0), 1.0)

    @cached_property
    def intercept(self) -> float:
        """What a child without any measured gain is believed to be better than its parent."""
        return (self.found - self.slope * self.gain) / (self.pairs + PRIOR_WEIGHT)

    @cached_property
    def doubt(self) -> float:
        """The share of the measured gains that was not found again, from 0 to 1."""
        missed = self.missed + PRIOR_WEIGHT * (1.0 - PRIOR_SLOPE)
        return missed / (self.challengers + PRIOR_WEIGHT)

    @cached_property
    def typical_noise(self) -> float:
        """The geometric mean of the noise of gains."""
        return math.exp(self.log_noise / self.children) if self.children else 0.0

    def noise_of(self, measured: float | None) -> float:
        """Say how noisy a difference is: one variance of few units may be low by luck."""
        return max(measured or 0.0, self.typical_noise)

    def posterior(self, belief: Belief) -> tuple[float, float]:
        """Give the mean and the variance of a program's true fitness."""
        mean, variance = self._prior(belief)
        precision = 1.0 / max(variance, LEAST_VARIANCE)
        total = precision + belief.weight
        return (mean * precision + belief.found * belief.weight) / total, 1.0 / total

    def most(self, belief: Belief) -> float:
        """Give a bound that the mean of `posterior` does not pass; close unless fresh blocks speak."""
        return belief.at_most(self._prior_mean(belief))

    def _prior(self, belief: Belief) -> tuple[float, float]:
        """Give what is believed before any fresh block."""
        gain, noise = belief.gain, belief.noise
        if not belief.chosen:
            return belief.base + gain, noise or 0.0
        if noise is None:  # nobody knows what luck could have done
            return self._prior_mean(belief), belief.doubt + self.slope * gain * gain
        # The parent's half of the noise is in its doubt, or in the scale. However little is known of
        # the line, the measurement itself is no worse than its noise.
        share = min(self.slope / 2.0 + self._leverage(gain), 1.0)
        noise = self.noise_of(noise)
        return self._prior_mean(belief, noise), belief.doubt + share * noise

    def _prior_mean(self, belief: Belief, noise: float | None = None) -> float:
        """Give the mean before any fresh block. noise: of the gain, if it was asked already."""
        gain = belief.gain
        if gain <= 0.0 or not belief.chosen:
            # A loss is believed whole: luck is in what was chosen for its score, and there it flatters.
            return belief.base + gain
        kept = min(self.intercept + self.slope * gain, gain)  # never more than was measured
        if belief.noise is not None:
            reach = MOST_MOVED * math.sqrt(self.noise_of(belief.noise) if noise is None else noise)
            kept = gain + max(kept - gain, -reach)
        return belief.base + kept

    def _leverage(self, gain: float) -> float:
        """Say how little is known of the line at a gain, in variances of one pair."""
        if self.gain_gain <= 0.0:
            return 1.0 / PRIOR_WEIGHT
        number, weight = self.pairs + PRIOR_WEIGHT, PRIOR_WEIGHT * self.gain_gain / self.pairs
        squares = self.gain_gain + weight
        distance = squares - 2.0 * gain * self.gain + number * gain**2
        return distance / (number * squares - self.gain**2)

    def with_block(self, shift: float) -> Calibration:
        """Take in what the anchor scored on one more block, less its score on the train block."""
        return replace(
            self,
            blocks=self.blocks + 1,
            level=self.level + shift,
            level_level=self.level_level + shift * shift,
        )

    def with_child(self, noise: float | None) -> Calibration:
        """Take in how noisy the gain of one more child is."""
        if not noise:
            return self
        return replace(self, children=self.children + 1, log_noise=self.log_noise + math.log(noise))


def calibration_of(plain: Mapping[str, Any]) -> Calibration:
    """Read what `Calibration.plain` gave; what another version kept besides is left out."""
    known = {field.name for field in fields(Calibration)}
    return Calibration(**{name: value for name, value in plain.items() if name in known})


def gain_noise(
    scores: Mapping[str, float], parent: Mapping[str, float], units: Mapping[str, str]
) -> float | None:
    """Give the variance of a mean difference between two programs, in pairs over the units.

    None below two units, or where the two were not scored on the same instances.
    """
    if scores.keys() != parent.keys():
        return None
    differences = unit_means({name: scores[name] - parent[name] for name in scores}, units)
    if len(differences) < 2:
        return None
    n = len(differences)
    # np.var(ddof=1) to the bit, without what it asks of its arguments: done once per child ever told.
    around = differences - np.add.reduce(differences) / n
    return float(np.add.reduce(around * around) / (n - 1)) / n


def comparison(
    scores: Sequence[Mapping[str, float] | None], units: Mapping[str, str]
) -> Comparison:
    """Compare programs by their scores on one block, {instance: score}; None for one that failed."""
    means = (None if each is None else math.fsum(each.values()) / len(each) for each in scores)
    noise = tuple(
        tuple(None if a is None or b is None else gain_noise(a, b, units) for b in scores)
        for a in scores
    )
    number = max((len(each) for each in scores if each is not None), default=0)
    return Comparison(tuple(means), noise, number)


def compared(
    calibration: Calibration, beliefs: Sequence[Belief], anchor: int | None, found: Comparison
) -> tuple[Calibration, list[Belief]]:
    """Learn from one fresh block; give the calibration and the beliefs after it.

    anchor: the index of the program that defines the scale, and is believed as measured; None if it
    was not compared, and nothing is learned. What failed on the block is believed as before.
    """
    if anchor is None:
        return calibration, list(beliefs)
    scale = beliefs[anchor].base + beliefs[anchor].gain
    after, updated = calibration, list(beliefs)
    for i, mean in enumerate(found.means):
        if mean is None:
            continue
        if i == anchor:
            updated[i] = replace(beliefs[i], fresh=beliefs[i].fresh + found.n)
            after = after.with_block(mean - scale)
        elif (level := _level(calibration, beliefs[i], i, anchor, scale, found)) is not None:
            after = _learned(after, beliefs[i], mean - level.shift)
            updated[i] = _with_evidence(beliefs[i], mean - level.shift, level.variance, found.n)
    return after, updated


class _Level(NamedTuple):
    """How much easier a block is than the train block. variance: of a program's score less that."""

    shift: float
    variance: float


def _level(
    calibration: Calibration, belief: Belief, i: int, anchor: int, scale: float, found: Comparison
) -> _Level | None:
    """Tell how easy a block is, as seen beside program i; None where nothing tells.

    By the anchor there, and by what it did on the blocks before. By no other program: what is
    believed of a child comes from its parent, so that a parent measured by its children would be
    measured by itself.
    """
    noise = calibration.noise_of(found.noise[i][anchor])
    # Where nobody knows what luck could have done, the whole gain may be luck.
    noise = max(noise or belief.gain**2, LEAST_VARIANCE)
    own = noise / 2.0  # half of a pair's noise is this program's, half is the anchor's
    levels = []
    if (there := found.means[anchor]) is not None:
        levels.append((there - scale, own))
    if (expected := _expected_level(calibration)) is not None:
        # The scatter of blocks holds the noise of one program, though few blocks may not show it.
        levels.append((expected[0], max(expected[1], own)))
    if not levels:
        return None
    total = math.fsum(1.0 / variance for _, variance in levels)
    shift = math.fsum(shift / variance for shift, variance in levels) / total
    return _Level(shift, own + 1.0 / total)


def _expected_level(calibration: Calibration) -> tuple[float, float] | None:
    """Say how much easier than the train block one more block is, and how far a score may be off.

    By the anchor's scores on the blocks before; None while those are few.
    """
    n = calibration.blocks
    if n < LEAST_BLOCKS:
        return None
    mean = calibration.level / n
    scatter = max(calibration.level_level - n * mean * mean, 0.0) / (n - 1)
    return mean, scatter * (1.0 + 1.0 / n)


def _learned(calibration: Calibration, belief: Belief, found: float) -> Calibration:
    """Take in a challenger's first fresh block; a gain far beyond noise says nothing of slope."""
    gain, noise = belief.gain, belief.noise
    if belief.confirmed or not belief.chosen or gain <= 0.0:
        return calibration
    kept = found - belief.base
    if not math.isfinite(gain * gain + kept * kept):  # beyond what sums of squares can hold
        return calibration
    calibration = replace(
        calibration,
        challengers=calibration.challengers + 1,
        missed=calibration.missed + min(max(1.0 - kept / gain, 0.0), 1.0),
    )
    if noise is not None and gain * gain > BEYOND_NOISE**2 * calibration.noise_of(noise):
        return calibration
    return replace(
        calibration,
        pairs=calibration.pairs + 1,
        gain=calibration.gain + gain,
        found=calibration.found + kept,
        gain_gain=calibration.gain_gain + gain * gain,
        gain_found=calibration.gain_found + gain * kept,
    )


def _with_evidence(belief: Belief, found: float, variance: float, instances: int) -> Belief:
    weight = 1.0 / max(variance, LEAST_VARIANCE)
    total = belief.weight + weight
    return replace(
        belief,
        found=(belief.found * belief.weight + found * weight) / total,
        weight=total,
        fresh=belief.fresh + instances,
    )
