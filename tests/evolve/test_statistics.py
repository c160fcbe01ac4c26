"""Paired comparisons give known values, and rarely call luck a discovery."""

import math

import numpy as np
import pytest

from evolve.statistics import (
    Grouping,
    agreement,
    beats,
    bootstrap_interval,
    compare,
    holm,
    sign_flip_p,
    standard_error,
    unit_means,
    upper_bound,
    wilson_interval,
)


def named(values):
    return {f"i{number}": float(value) for number, value in enumerate(values)}


def test_exact_flips_count_the_arrangements_at_least_as_high():
    assert sign_flip_p(np.array([1.0, 2.0, 3.0])) == 1 / 8
    assert sign_flip_p(np.array([1.0, 2.0, -3.0])) == 5 / 8  # sums 6, 4, 2, 0, 0 of eight
    assert sign_flip_p(np.array([-1.0, -1.0])) == 1.0
    assert sign_flip_p(np.zeros(5)) == 1.0


def test_flips_do_not_lose_a_tie_to_rounding():
    assert sign_flip_p(np.array([0.1, 0.2, 0.3])) == 1 / 8
    assert sign_flip_p(np.array([0.1] * 10)) == 2**-10


def test_drawn_flips_come_near_the_exact_chance():
    values = np.linspace(-1.0, 1.6, 16)
    drawn = np.append(values, np.zeros(4))  # zeros change no sum, but force drawing
    assert sign_flip_p(drawn) == pytest.approx(sign_flip_p(values), abs=0.01)
    assert sign_flip_p(drawn) == sign_flip_p(drawn)


def test_holm_known_values():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert holm([]) == []


def test_standard_error_is_of_the_mean():
    assert standard_error(np.array([1.0, 2.0, 3.0, 4.0])) == pytest.approx(math.sqrt(5 / 3) / 2)
    assert standard_error(np.array([1.0])) is None


def test_the_bootstrap_interval_is_near_the_normal_one():
    values = np.random.default_rng(0).normal(1.0, 2.0, size=400)
    low, high = bootstrap_interval(values)
    error = standard_error(values)
    assert low == pytest.approx(values.mean() - 1.96 * error, abs=0.03)
    assert high == pytest.approx(values.mean() + 1.96 * error, abs=0.03)


def test_what_shares_a_pool_is_one_draw():
    differences = {"a5": 1.0, "a10": 3.0, "b5": 4.0, "alone": 5.0}
    units = {"a5": "a", "a10": "a", "b5": "b"}
    assert unit_means(differences, units).tolist() == [2.0, 4.0, 5.0]


def test_agreement_counts_subgroups():
    differences = {"x": 1.0, "y": -0.5, "z": -2.0}
    labels = {"x": ["size=a", "kind=c"], "y": ["size=a", "kind=d"], "z": ["size=b", "kind=d"]}
    assert agreement(differences, labels) == 2 / 4  # a and c are ahead, b and d are not
    assert agreement(differences, {}) == 1.0


def test_scores_of_other_instances_are_refused():
    with pytest.raises(ValueError, match="same instances"):
        compare({"a": 1.0}, {"b": 1.0})


def test_a_clear_and_large_difference_beats():
    better = compare(named(np.linspace(1.1, 1.3, 12)), named(np.ones(12)))
    assert beats(better, 0.1, better.p)
    assert not beats(better, 0.3, better.p), "smaller than what matters"


def test_a_difference_carried_by_one_subgroup_does_not_beat():
    gain = np.array([2.0, 2.1, 1.9, 2.0, -0.1, -0.1, -0.1, -0.1])
    subgroups = {f"i{n}": ["big" if n < 4 else f"small{n}"] for n in range(8)}
    one_sided = compare(named(gain), named(np.zeros(8)), Grouping(subgroups))
    assert one_sided.difference > 2 * one_sided.standard_error
    assert not beats(one_sided, 0.0, one_sided.p)


def test_equal_scores_never_beat():
    same = compare(named([1.0, 2.0, 3.0]), named([1.0, 2.0, 3.0]))
    assert same.difference == 0.0
    assert not beats(same, 0.0, 0.0)


def test_few_units_or_no_spread_leave_the_verdict_to_p():
    three = compare(named([1.0, 1.1, 0.9]), named(np.zeros(3)))
    assert three.difference > 2 * three.standard_error
    assert not beats(three, 0.0, three.p), "three pairs prove nothing: p is 1/8"
    alike = compare(named(np.ones(4)), named(np.zeros(4)))
    assert alike.standard_error == 0.0
    assert not beats(alike, 0.0, alike.p), "p is 1/16"
    assert beats(alike, 0.0, 0.01)


def test_luck_is_called_a_discovery_about_as_rarely_as_the_rule_promises():
    # Two standard errors, one-sided, is a chance of some .03 with 16 pairs, and p < .05 adds a
    # little: over 400 draws of nothing, 20 are expected and 40 (4.6 deviations more) never seen.
    rng = np.random.default_rng(7)
    found = 0
    for _ in range(400):
        luck = compare(named(rng.normal(size=10)), named(np.zeros(10)))
        found += beats(luck, 0.0, luck.p)
    assert found <= 40


def test_wilson_known_values():
    """The bounds solve |rate - bound| = 1.96 sqrt(bound (1 - bound) / n)."""
    assert wilson_interval(0, 10) == pytest.approx((0.0, 0.2775), abs=1e-4)
    assert wilson_interval(10, 10) == pytest.approx((0.7225, 1.0), abs=1e-4)
    assert wilson_interval(12, 84) == pytest.approx((0.0838, 0.2328), abs=1e-3)
    for bound in wilson_interval(12, 84):
        reach = 1.959964 * math.sqrt(bound * (1 - bound) / 84)
        assert abs(12 / 84 - bound) == pytest.approx(reach)


def test_upper_bounds_of_rates_are_those_of_clopper_and_pearson():
    assert upper_bound(0, 10) == pytest.approx(1 - 0.05 ** (1 / 10))
    assert upper_bound(9, 10) == pytest.approx(0.95 ** (1 / 10))
    assert upper_bound(2, 50) == pytest.approx(0.12061, abs=1e-5)
    assert 0.5 < upper_bound(2_500, 5_000) < 0.52
    assert upper_bound(0, 0) == upper_bound(3, 3) == 1.0
