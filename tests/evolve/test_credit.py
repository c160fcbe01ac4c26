"""The bandit: shares to begin with, what pays gets more, nothing starves, and fitness plays no part."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archive.records import Evaluation, Kind, Status, Step
from evolve.credit import FLOOR, Credit, Terms, chances, costs, mean_chances
from evolve.grid import Grid
from evolve.spec import Measure
from evolve.state import State
from evolve.telling import tell

ARMS = {
    ("diff", "a"): Terms(30, 1),
    ("diff", "b"): Terms(30, 1),
    ("rewrite", "a"): Terms(40, 1),
    ("tune", None): Terms(10, 0.5),
}
NAMES = list(ARMS)
DRAWS = 400


def told(credit, arm, times, taken, *, usd=None, tokens=100):
    for turn in range(times):
        credit = credit.told(arm, taken=turn < taken, usd=usd, tokens=tokens)
    return credit


def shares(credit, arms=ARMS):
    return dict(zip(arms, mean_chances(credit, arms, DRAWS), strict=True))


def test_before_anything_is_told_equal_costs_get_about_their_declared_shares():
    arms = {("a", None): Terms(60, 1), ("b", None): Terms(30, 1), ("c", None): Terms(10, 1)}
    found = shares(Credit(), arms)
    assert found["a", None] == pytest.approx(0.6, abs=0.1)
    assert found["a", None] > found["b", None] > found["c", None]


def test_what_the_grid_takes_gets_more_and_what_it_never_takes_keeps_its_part_of_the_floor():
    credit = told(told(Credit(), NAMES[0], 60, 30), NAMES[1], 60, 0)
    found = shares(credit)
    assert found[NAMES[0]] > 0.5
    total = sum(terms.share for terms in ARMS.values())
    assert FLOOR * 30 / total <= found[NAMES[1]] < 0.1


def test_the_cheaper_of_two_models_that_do_equally_well_gets_more():
    credit = told(Credit(), ("diff", "a"), 40, 10, usd=0.01)
    credit = told(credit, ("diff", "b"), 40, 10, usd=0.10)
    found = shares(credit)
    assert found["diff", "a"] > 3 * found["diff", "b"]


def test_where_a_price_is_unknown_tokens_are_what_steps_cost():
    credit = told(Credit(), ("diff", "a"), 20, 5, usd=9.0, tokens=100)
    credit = told(credit, ("diff", "b"), 20, 5, usd=None, tokens=900)
    by_arm = dict(zip(ARMS, costs(credit, ARMS), strict=True))
    assert by_arm["diff", "a"] < 1 < by_arm["diff", "b"]
    assert by_arm["rewrite", "a"] == 1.0
    assert by_arm["tune", None] == 0.5


def test_an_operator_without_a_model_is_an_arm_like_any_other():
    credit = told(told(Credit(), ("tune", None), 40, 20), ("rewrite", "a"), 40, 2)
    assert shares(credit)["tune", None] > shares(Credit())["tune", None] * 2


def test_what_is_long_ago_is_forgotten():
    early = told(Credit(), NAMES[0], 60, 60)
    late = told(early, NAMES[1], 600, 60)
    assert late.accounts[NAMES[0]].steps < 1


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(NAMES),
            st.booleans(),
            st.none() | st.floats(0, 50),
            st.integers(0, 9**6),
        ),
        max_size=60,
    ),
    st.integers(0, 99),
)
def test_chances_are_chances_and_never_below_the_floor(history, rng_seed):
    credit = Credit()
    for arm, taken, usd, tokens in history:
        credit = credit.told(arm, taken=taken, usd=usd, tokens=tokens)
    found = chances(credit, ARMS, np.random.default_rng(rng_seed))
    declared = np.array([terms.share for terms in ARMS.values()])
    assert found.sum() == pytest.approx(1)
    assert (found >= FLOOR * declared / declared.sum() - 1e-12).all()


def credit_of(fitnesses):
    """Tell steps of these fitness values by turns of two operators; give the accounts."""
    measures = tuple(Measure(name=name, range=(0.0, 1.0), bins=3) for name in "ab")
    state, luck = State(Grid(measures)), np.random.default_rng(3)
    for n, fitness in enumerate(fitnesses):
        step = Step(n, 0, Kind.SEARCH, "diff" if n % 2 else "tune", None, (), "x", f"p{n}")
        evaluation = Evaluation(
            "t", "w", "train", 0, f"p{n}", Status.OK,
            fitness=float(fitness), measures={"a": luck.random(), "b": luck.random()},
        )  # fmt: skip
        state = tell(state, step, evaluation, 9).state
    return state.credit


@pytest.mark.parametrize(("scale", "shift"), [(1000.0, 0.0), (1e-3, -7.0), (3.0, 1e4)])
def test_shift_and_scale_of_fitness_change_nothing(scale, shift):
    fitness = np.random.default_rng(1).integers(0, 999, 80) / 8
    assert credit_of(fitness) == credit_of(scale * fitness + shift)


def test_one_jackpot_counts_as_one_success_and_flattens_nobody():
    fitness = np.random.default_rng(1).random(80)
    with_jackpot = fitness.copy()
    with_jackpot[40] = 1e9
    plain, lucky = credit_of(fitness), credit_of(with_jackpot)
    for arm in plain.accounts:
        assert lucky.accounts[arm].taken == pytest.approx(plain.accounts[arm].taken, abs=1.5)
