"""Parents are drawn by merit, and nobody starves."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archive.records import Evaluation, Kind, Status, Step
from evolve.folding import fold
from evolve.grid import Grid
from evolve.selection import POLICIES, Means, ask, parent_weights
from evolve.spec import Measure
from evolve.state import State

MEASURES = (
    Measure(name="a", range=(0.0, 1.0), bins=10),
    Measure(name="b", range=(0.0, 1.0), bins=10),
)
DRAWS = 4000


class Anything:
    """An operator that suits every program that does not refuse it."""

    cost, pairing = 1.0, "any"

    def __init__(self, name, share=1.0, num_parents=1, uses_model=False):
        self.name, self.share, self.num_parents = name, share, num_parents
        self.uses_model = uses_model

    def suits(self, source):
        return f"no {self.name}" not in source


def told(state, n, fitness, a, *, source="", parents=(), kind=Kind.SEARCH, operator="tune"):
    evaluation = Evaluation(
        "t", "w", "train", 0, f"p{n}", Status.OK, fitness=fitness, measures={"a": a, "b": 0.5}
    )
    cell, _ = state.grid.locate(evaluation.measures)
    step = Step(
        n, 0, kind, operator, None, parents, source, f"p{n}",
        outputs_digest=f"d{n}", status=Status.OK, cell=cell, told_seq=state.told,
    )  # fmt: skip
    return fold(state, step, evaluation, nodes=10)


@pytest.fixture
def state():
    """Ten programs in ten cells, the last the best; the first two are initial programs."""
    state = State(Grid(MEASURES))
    for n in range(10):
        state = told(state, n, float(n), n / 10 + 0.05, kind=Kind.INITIAL if n < 2 else Kind.SEARCH)
    return state


def shares(state, policy):
    rng = np.random.default_rng(0)
    drawn = [POLICIES[policy](state, rng).step for _ in range(DRAWS)]
    return np.bincount(drawn, minlength=10) / DRAWS


def test_by_rank_the_best_five_get_most_and_every_cell_gets_some(state):
    found = shares(state, "rank")
    assert found[5:].sum() == pytest.approx(0.7 + 0.3 / 2, abs=0.04)
    assert found[9] > found[8] > found[6]
    assert (found > 0.01).all()


def test_uniform_gives_every_cell_the_same(state):
    assert shares(state, "uniform") == pytest.approx(np.full(10, 0.1), abs=0.02)


def test_random_search_draws_from_the_initial_programs_alone(state):
    assert shares(state, "initial") == pytest.approx([0.5, 0.5, *[0] * 8], abs=0.04)


def test_weights_fall_with_every_child(state):
    before = shares(state, "weighted")[9]
    for n in range(10, 14):
        state = told(state, n, -1.0, 0.05, parents=(9,))
    assert shares(state, "weighted")[9] < before


@given(
    st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20),
    st.lists(st.integers(0, 100), min_size=20, max_size=20),
)
@settings(max_examples=200, deadline=None)
def test_weights_are_positive_and_finite_whatever_the_ties_and_outliers(fitness, children):
    weights = parent_weights(np.array(fitness), np.array(children[: len(fitness)]))
    assert np.isfinite(weights).all()
    assert (weights > 0).all()
    assert weights.sum() == pytest.approx(1)


@given(
    st.lists(st.integers(-5, 5), min_size=2, max_size=12), st.floats(0.1, 50), st.floats(-99, 99)
)
@settings(max_examples=200, deadline=None)
def test_weights_do_not_know_shift_and_scale_of_fitness(fitness, scale, shift):
    values, children = np.array(fitness, float), np.zeros(len(fitness))
    moved = parent_weights(values * scale + shift, children)
    assert moved == pytest.approx(parent_weights(values, children), rel=1e-6)


def test_a_tie_of_most_still_tells_the_others_apart():
    weights = parent_weights(np.array([0.0, 0.0, 0.0, 0.0, 1.0]), np.zeros(5))
    assert weights[4] > weights[0]


def test_an_operator_with_nothing_to_do_on_the_parent_sits_out():
    state = told(State(Grid(MEASURES)), 0, 1.0, 0.5, source="# no tune", kind=Kind.INITIAL)
    operators = {
        op.name: op for op in (Anything("tune", 99.0), Anything("swap"), Anything("join", 99.0, 2))
    }
    rng = np.random.default_rng(0)
    choices = [ask(state, Means(operators), rng) for _ in range(50)]
    assert {choice.operator for choice in choices} == {"swap"}


def test_parents_of_one_step_differ(state):
    rng = np.random.default_rng(0)
    for _ in range(200):
        choice = ask(state, Means({"join": Anything("join", 1.0, 2)}), rng)
        assert len(set(choice.parents)) == 2


def test_nothing_can_be_asked_while_no_program_is_valid():
    assert (
        ask(State(Grid(MEASURES)), Means({"swap": Anything("swap")}), np.random.default_rng(0))
        is None
    )
