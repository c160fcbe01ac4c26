"""The law of noise: what is reported of the best is true on average, and looking twice pays.

Programs have known values, standard normal; one evaluation adds noise of half of that spread, or of
all of it. Every policy pays for 1,000 evaluations, on the same seeds, chosen beforehand.
"""

import statistics

import pytest
from noisy_search import fixed, searched

SEEDS = range(10)
# Averages of fixed policies cost nothing, so they are taken over more seeds too.
MANY_SEEDS = range(300)
FIXED = (1, 2, 4, 8, 16)
EVALUATIONS = 1000


def mean(values):
    return statistics.fmean(list(values))


def fixed_values(noise, k, seeds):
    return [fixed(noise, seed, k, evaluations=EVALUATIONS) for seed in seeds]


@pytest.mark.parametrize(("noise", "too_high"), [(0.5, 0.7), (1.0, 2.3)])
def test_one_evaluation_each_overstates_the_best(noise, too_high):
    found = mean(told - true for true, told in fixed_values(noise, 1, MANY_SEEDS))
    assert found == pytest.approx(too_high, abs=0.1)


@pytest.mark.parametrize("noise", [0.5, 1.0])
def test_the_confirmed_elite_is_what_is_said_of_it_and_no_fixed_policy_finds_better(noise):
    # One test for all, so that the searches are made once.
    found = [searched(noise, seed, evaluations=EVALUATIONS) for seed in SEEDS]
    assert abs(mean(each.bias for each in found)) < mean(each.error for each in found)
    made, told = mean(each.bias**2 for each in found), mean(each.error**2 for each in found)
    assert 0.25 < made / told < 4.0
    assert all(each.confirms <= 0.1 * each.state.told for each in found)
    ours = mean(each.true for each in found)
    for k in FIXED:
        assert ours >= mean(true for true, _ in fixed_values(noise, k, SEEDS))
        assert ours >= mean(true for true, _ in fixed_values(noise, k, MANY_SEEDS))


@pytest.mark.parametrize("noise", [0.5, 1.0])
def test_in_a_lineage_most_of_the_optimism_is_gone(noise):
    found = [searched(noise, seed, evaluations=400, lineage=True) for seed in SEEDS]
    naive = mean(each.naive_bias for each in found)
    assert naive > noise
    assert abs(mean(each.bias for each in found)) < naive / 2


def test_without_noise_nothing_is_distorted_and_little_is_spent_on_confirmation():
    found = searched(0.0, 0, evaluations=EVALUATIONS)
    elites = list(found.state.grid.elites())
    assert [elite.mean for elite in elites] == pytest.approx([elite.fitness for elite in elites])
    assert [elite.error for elite in elites] == pytest.approx([0.0] * len(elites), abs=1e-6)
    assert found.state.best[0].mean - found.train_level == pytest.approx(found.naive_reported)
    assert found.reported == pytest.approx(found.true)
    assert found.confirms < 0.75 * 0.1 * found.state.told
