"""What is believed of a gain: shrunk by what others were found to hold, and by its own evidence."""

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evolve.belief import (
    MOST_MOVED,
    PRIOR_SLOPE,
    Belief,
    Calibration,
    Comparison,
    calibration_of,
    compared,
    comparison,
    comparison_of,
    gain_noise,
)
from evolve.cells import Elite
from evolve.state import Valuation

# Scores have ten digits: a gain of 1e-18 is not one that a run can see.
moderate = st.floats(-10, 10, allow_nan=False).map(lambda value: round(value, 6))
variances = st.floats(0.001, 4)
children = st.builds(Belief, base=moderate, gain=moderate, noise=variances, doubt=st.floats(0, 1))
known = st.builds(
    replace, children, found=moderate, weight=st.floats(0.1, 100), fresh=st.integers(1, 99)
)
# Whatever a run may come to hold: noise that nobody knows, no evidence or nearly certain evidence.
large = st.floats(-1e6, 1e6, allow_nan=False)
any_belief = st.builds(
    Belief,
    base=large,
    gain=large,
    noise=st.none() | st.floats(0, 1e6),
    doubt=st.floats(0, 1e6),
    chosen=st.booleans(),
    found=large,
    weight=st.just(0.0) | st.floats(1e-6, 1e18),
    fresh=st.integers(0, 99),
)
ANCHOR = Belief(0.0, noise=0.3, chosen=False)


def block(means, noise=0.5, n=8):
    """Give what programs scored on one block; the same noise between each two of them."""
    rows = tuple(
        tuple(None if a is None or b is None else 0.0 if i == j else noise
              for j, b in enumerate(means))
        for i, a in enumerate(means)
    )  # fmt: skip
    return Comparison(tuple(means), rows, n)


@st.composite
def calibrations(draw, challengers=children):
    """Learn from some blocks, each with a challenger and the anchor."""
    after = Calibration()
    for _ in range(draw(st.integers(0, 8))):
        child, mean, level = draw(challengers), draw(moderate), draw(moderate)
        after = after.with_child(child.noise)
        after, _ = compared(after, [child, ANCHOR], 1, block([mean + level, level]))
    return after


# --- one program ---


@given(calibrations(), known)
@settings(max_examples=100, deadline=None)
def test_a_posterior_lies_between_what_was_believed_before_and_the_evidence(calibration, belief):
    before, _ = calibration.posterior(replace(belief, weight=0.0))
    mean, _ = calibration.posterior(belief)
    lower, upper = sorted((before, belief.found))
    assert lower - 1e-9 <= mean <= upper + 1e-9


@given(calibrations(), known, st.floats(0.1, 100))
@settings(max_examples=100, deadline=None)
def test_more_evidence_makes_surer(calibration, belief, more):
    _, variance = calibration.posterior(belief)
    _, after = calibration.posterior(replace(belief, weight=belief.weight + more))
    assert 0.0 < after < variance


@given(calibrations(), st.one_of(children, known), st.booleans())
@settings(max_examples=300, deadline=None)
def test_no_calibration_believes_more_than_the_bound(calibration, belief, chosen):
    belief = replace(belief, chosen=chosen)
    assert calibration.posterior(belief)[0] <= belief.most


@given(calibrations(any_belief), any_belief)
@settings(max_examples=500, deadline=None)
def test_a_calibrations_own_bound_lies_between_its_mean_and_the_bound_for_all(calibration, belief):
    assert calibration.posterior(belief)[0] <= calibration.most(belief) <= belief.most


@given(calibrations(any_belief), any_belief, st.booleans())
@settings(max_examples=100, deadline=None)
def test_an_elite_is_valued_at_no_more_than_its_bound(calibration, belief, is_anchor):
    """The anchor, too, which is worth what it measured."""
    belief = replace(belief, gain=0.0, chosen=False, found=belief.base) if is_anchor else belief
    known = SimpleNamespace(belief=lambda n, told: belief if n == 0 else None)
    value = Valuation(known, 1, calibration, 0 if is_anchor else None)
    for elite in (Elite(0, "p0", belief.base + belief.gain, 3), Elite(1, "p1", 0.5, 3)):
        valued = value(elite)
        assert valued.mean <= value.most(elite) <= valued.most


@given(calibrations(), children)
@settings(max_examples=100, deadline=None)
def test_no_gain_is_moved_further_or_doubted_more_than_luck_can_explain(calibration, belief):
    mean, variance = calibration.posterior(belief)
    noise = max(belief.noise, calibration.typical_noise)
    assert abs(mean - (belief.base + belief.gain)) <= MOST_MOVED * math.sqrt(noise) + 1e-9
    assert belief.doubt <= variance <= belief.doubt + noise + 1e-9


def test_an_initial_program_is_believed_as_measured():
    assert Calibration().posterior(Belief(3.0, noise=0.04, chosen=False)) == pytest.approx(
        (3.0, 0.04)
    )


def test_before_anything_was_confirmed_half_of_a_gain_is_believed():
    mean, _ = Calibration().posterior(Belief(1.0, gain=0.4, noise=0.25))
    assert mean == pytest.approx(1.0 + PRIOR_SLOPE * 0.4)


def test_a_gain_of_unknown_noise_is_shrunk_and_in_doubt():
    mean, variance = Calibration().posterior(Belief(1.0, gain=4.0, noise=None))
    assert mean == pytest.approx(3.0)
    assert math.sqrt(variance) > 2.0


def test_without_noise_a_gain_is_believed_whole():
    mean, variance = Calibration().posterior(Belief(1.0, gain=0.4, noise=0.0))
    assert mean == pytest.approx(1.4)
    assert variance < 1e-12


def test_a_tiny_first_pair_leaves_a_large_gain_as_it_was_measured_at_worst():
    tiny = Belief(0.0, gain=1e-155, noise=1.0)
    calibration, _ = compared(Calibration(), [tiny, ANCHOR], 1, block([0.0, 0.0]))
    _, variance = calibration.posterior(Belief(0.0, gain=1.0, noise=1.0))
    assert variance == pytest.approx(1.0)


def test_one_small_variance_by_luck_makes_nobody_sure():
    calibration = Calibration()
    for _ in range(20):
        calibration = calibration.with_child(0.5)
    lucky = calibration.posterior(Belief(0.0, gain=1.0, noise=0.001))
    assert lucky == calibration.posterior(Belief(0.0, gain=1.0, noise=0.5))


# --- what gains teach ---


@given(calibrations())
@settings(max_examples=100, deadline=None)
def test_shares_are_shares(calibration):
    assert 0.0 <= calibration.slope <= 1.0
    assert 0.0 <= calibration.doubt <= 1.0
    assert calibration.typical_noise >= 0.0


def taught(kept, number=30, noise=0.5):
    """Learn from challengers that keep such a share of gains of one to two."""
    calibration = Calibration()
    for i in range(number):
        gain = 1.0 + i / number
        child = Belief(0.0, gain=gain, noise=noise)
        calibration = calibration.with_child(noise)
        calibration, _ = compared(calibration, [child, ANCHOR], 1, block([kept * gain, 0.0], noise))
    return calibration


def test_the_more_gains_hold_the_more_of_them_is_believed():
    beliefs = [taught(kept).posterior(Belief(0.0, gain=1.5, noise=0.5)) for kept in (0, 0.5, 1)]
    means = [mean for mean, _ in beliefs]
    assert means == pytest.approx([0.0, 0.75, 1.5], abs=0.15)
    slopes = [taught(kept).slope for kept in (0, 0.5, 1)]
    assert slopes[0] < slopes[1] < slopes[2]


def test_the_less_gains_hold_the_more_is_in_doubt():
    doubts = [taught(kept).doubt for kept in (1, 0.5, 0)]
    assert doubts == pytest.approx([0.07, 0.5, 0.93], abs=0.02)


def test_two_lucky_challengers_do_not_end_all_doubt():
    assert taught(1.0, number=2).doubt > 0.3
    assert taught(1.0, number=2).slope < 0.75


def test_gains_far_beyond_noise_lessen_doubt_and_teach_nothing_of_luck():
    calibration = taught(1.0, noise=0.0001)
    assert (calibration.pairs, calibration.slope) == (0, PRIOR_SLOPE)
    assert calibration.doubt < 0.1


def test_a_large_gain_that_is_all_lost_on_fresh_instances_raises_doubt():
    assert taught(0.0, noise=0.0001).doubt > 0.9


def test_only_the_first_fresh_block_of_a_child_that_was_better_teaches():
    child = Belief(0.0, gain=1.0, noise=0.5)
    once, (seen, _) = compared(Calibration(), [child, ANCHOR], 1, block([1.0, 0.0]))
    twice, _ = compared(once, [seen, ANCHOR], 1, block([1.0, 0.0]))
    assert (once.challengers, twice.challengers) == (1, 1)
    worse, _ = compared(once, [replace(child, gain=-1.0), ANCHOR], 1, block([1.0, 0.0]))
    assert worse.challengers == 1


@given(calibrations())
@settings(max_examples=20, deadline=None)
def test_sums_are_read_as_they_were_kept_whatever_another_version_kept_besides(calibration):
    assert calibration_of(calibration.plain() | {"of_another_version": 1.0}) == calibration


# --- one fresh block ---


@given(calibrations(), st.lists(st.one_of(children, known), min_size=1, max_size=3), st.data())
@settings(max_examples=100, deadline=None)
def test_everybody_becomes_surer_by_a_block(calibration, beliefs, data):
    beliefs = [*beliefs, ANCHOR]
    means = [data.draw(moderate) for _ in beliefs]
    _, after = compared(calibration, beliefs, len(beliefs) - 1, block(means))
    for before, belief in zip(beliefs, after, strict=True):
        assert belief.fresh == before.fresh + 8
    for before, belief in zip(beliefs[:-1], after[:-1], strict=True):  # the anchor is the scale
        assert belief.weight > before.weight
        assert calibration.posterior(belief)[1] < calibration.posterior(before)[1]


@given(st.lists(st.one_of(children, known), min_size=1, max_size=3), moderate, st.data())
@settings(max_examples=100, deadline=None)
def test_how_easy_a_block_is_drops_out(beliefs, easier, data):
    beliefs = [*beliefs, ANCHOR]
    means = [data.draw(moderate) for _ in beliefs]
    anchor = len(beliefs) - 1
    one, found = compared(Calibration(), beliefs, anchor, block(means))
    other, shifted = compared(
        Calibration(), beliefs, anchor, block([mean + easier for mean in means])
    )
    for a, b in zip(found, shifted, strict=True):
        assert a.found == pytest.approx(b.found, abs=1e-6)
        assert a.weight == pytest.approx(b.weight)
    assert other.level == pytest.approx(one.level + easier, abs=1e-9)
    assert (one.slope, one.doubt) == pytest.approx((other.slope, other.doubt), abs=1e-6)


@given(moderate)
@settings(max_examples=50, deadline=None)
def test_a_train_block_easier_than_all_others_changes_nothing(easier):
    rng = np.random.default_rng(0)
    there, here = Calibration(), Calibration()
    a = b = Belief(0.0, gain=1.0, noise=0.5)
    for _ in range(12):
        level, luck, own = rng.standard_normal(3)
        there, (a, _) = compared(there, [a, ANCHOR], 1, block([1.0 + level + luck, level + own]))
        means = [1.0 + level + luck + easier, level + own + easier]
        here, (b, _) = compared(here, [b, ANCHOR], 1, block(means))
    assert there.posterior(a) == pytest.approx(here.posterior(b), abs=1e-6)


@given(calibrations(), st.lists(children, min_size=2, max_size=3), st.data())
@settings(max_examples=100, deadline=None)
def test_what_failed_is_believed_as_before_and_changes_nothing_for_others(
    calibration, beliefs, data
):
    failing = data.draw(st.integers(0, len(beliefs) - 1))
    means = [data.draw(moderate) for _ in beliefs]
    means[failing] = None
    with_it, after = compared(calibration, [*beliefs, ANCHOR], len(beliefs), block([*means, 0.0]))
    assert after[failing] == beliefs[failing]
    rest = [belief for i, belief in enumerate(beliefs) if i != failing]
    others = [mean for mean in means if mean is not None]
    without, alone = compared(calibration, [*rest, ANCHOR], len(rest), block([*others, 0.0]))
    assert with_it == without
    assert [belief for i, belief in enumerate(after) if i != failing] == alone


@given(calibrations(), children, children)
@settings(max_examples=50, deadline=None)
def test_where_the_anchor_failed_only_the_blocks_before_tell_how_easy_one_is(
    calibration, one, other
):
    after, beliefs = compared(calibration, [one, other, ANCHOR], 2, block([1.0, 0.0, None]))
    assert (after.blocks, after.level) == (calibration.blocks, calibration.level)
    assert beliefs[2] == ANCHOR
    assert beliefs[0].confirmed == (calibration.blocks >= 5)


def test_a_program_that_is_alone_on_its_first_block_learns_nothing():
    child = Belief(0.0, gain=1.0, noise=0.5)
    after, beliefs = compared(Calibration(), [child, ANCHOR], 1, block([1.0, None]))
    assert (after, beliefs) == (Calibration(), [child, ANCHOR])


def test_a_parent_is_not_measured_by_its_children():
    """However alike they are: what is believed of a child is believed of its parent."""
    leader = Belief(0.0, gain=2.0, noise=1.0)
    calibration, luck = Calibration(children=9), 0.8
    for _ in range(8):
        mean, variance = calibration.posterior(leader)
        child = Belief(mean, gain=0.01, noise=0.01, doubt=variance)
        found = Comparison((luck, luck, 0.0), ((0, 0.01, 1.0), (0.01, 0, 1.0), (1.0, 1.0, 0)), 8)
        calibration, (_, leader, _) = compared(calibration, [child, leader, ANCHOR], 2, found)
    # Eight blocks, each with half of a pair's noise from the leader and as much from the anchor.
    assert calibration.posterior(leader)[1] > 0.5 / (8 + 2)
    assert leader.found == pytest.approx(luck)


def test_noise_that_nobody_knows_is_no_certainty():
    child = Belief(0.0, gain=2.0, noise=None)
    found = Comparison((3.0, 0.0), ((None, None), (None, None)), 1)
    calibration, (child, _) = compared(Calibration(), [child, ANCHOR], 1, found)
    assert calibration.posterior(child)[1] > 0.5


def test_blocks_alike_in_difficulty_are_a_yardstick_too():
    """Of two programs on a block each brings its noise; where blocks differ little one does."""
    rng = np.random.default_rng(0)
    calibration = Calibration(children=9, log_noise=9 * math.log(0.5))
    for _ in range(30):
        calibration, _ = compared(
            calibration, [Belief(0.0, gain=-1.0, noise=0.5), ANCHOR], 1,
            block([0.0, 0.5 * rng.standard_normal()]),
        )  # fmt: skip
    child = Belief(0.0, gain=1.0, noise=0.5)
    _, (early, _) = compared(Calibration(), [child, ANCHOR], 1, block([1.0, 0.0]))
    _, (late, _) = compared(calibration, [child, ANCHOR], 1, block([1.0, 0.0]))
    assert late.weight > early.weight


# --- scores ---


def test_the_noise_of_a_gain_is_that_of_paired_units():
    one = {"a": 1.0, "b": 2.0, "c": 4.0, "d": 4.0}
    two = {"a": 0.0, "b": 2.0, "c": 3.0, "d": 1.0}
    differences = np.array([1.0, 0.0, 1.0, 3.0])
    assert gain_noise(one, two, {}) == pytest.approx(np.var(differences, ddof=1) / 4)
    units = {"a": "x", "b": "x", "c": "y", "d": "y"}
    assert gain_noise(one, two, units) == pytest.approx(np.var([0.5, 2.0], ddof=1) / 2)
    assert gain_noise(one, {"a": 0.0}, {}) is None
    assert gain_noise({"a": 1.0}, {"a": 0.0}, {}) is None


def test_a_comparison_is_read_as_it_was_kept():
    found = comparison([{"a": 1.0, "b": 2.0}, None, {"a": 0.0, "b": 3.0}], {})
    assert found.means == (1.5, None, 1.5)
    assert found.n == 2
    assert found.noise[0][1] is None
    assert found.noise[0][2] == found.noise[2][0] == pytest.approx(1.0)
    assert comparison_of(found.plain()) == found
