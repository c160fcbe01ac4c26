"""Constants: which can be tuned, how they move, and the one-fifth rule."""

from __future__ import annotations

import ast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.edits.constants import (
    SIGMA_RANGE,
    SIGMA_START,
    Tunable,
    move_all,
    move_one,
    moved,
    step_size,
    tunables,
)


def found(text: str, dims: tuple[int, ...] = ()) -> list[tuple[float, str]]:
    return [(item.value, item.role) for item in tunables(ast.parse(text), dims)]


@pytest.mark.parametrize(
    ("text", "roles"),
    [
        ("beta, bins = 0.3, 20", [(0.3, "fraction"), (20, "count")]),
        ("w = 0.5 + x * 2.5", [(0.5, "fraction"), (2.5, "scale")]),
        ("y = x[:5]", [(5, "count")]),
        ("y = x[:, -4:]", [(4, "count")]),
        ("n = 3 * k", [(3, "count")]),
        ("def f(x, near=7): pass", [(7, "count")]),
        ("y = np.quantile(x, 0.9)", [(0.9, "fraction")]),
        ("y = x ** 1.5", [(1.5, "scale")]),
    ],
)
def test_what_says_how_much_is_tunable(text: str, roles: list[tuple[float, str]]) -> None:
    assert found(text) == roles


@pytest.mark.parametrize(
    "text",
    [
        "for i in range(5): pass",
        "e = np.eye(4)",
        "m = x.mean((0, 2))",
        "m = np.sort(x, axis=-2)",
        "v = x[3]",
        "v = x[:, -2]",
        "d = ((a - b) ** 2).sum(1)",
        "i = n + 1",
        "p = np.log(x + 1e-9)",
        "other[:, n] = -99",
        "flag = True",
        "t = 'text'",
        "r = np.random.default_rng(7)",
    ],
)
def test_what_says_where_or_guards_is_frozen(text: str) -> None:
    assert found(text) == []


def test_an_integer_that_equals_a_declared_dimension_is_frozen() -> None:
    assert found("bins = 10", dims=(10, 64)) == []
    assert found("bins = 20", dims=(10, 64)) == [(20, "count")]


@given(st.floats(1e-5, 1 - 1e-5), st.integers(0, 2**32))
def test_fractions_stay_fractions(value: float, rng_seed: int) -> None:
    item = Tunable(ast.Constant(value), "fraction")
    assert 0 < moved(item, 0.4, np.random.default_rng(rng_seed)) <= 1


@given(st.floats(-1e5, 1e5).filter(lambda value: abs(value) >= 1), st.integers(0, 2**32))
def test_scales_keep_their_sign(value: float, rng_seed: int) -> None:
    item = Tunable(ast.Constant(value), "scale")
    assert moved(item, 1.2, np.random.default_rng(rng_seed)) * value > 0


@given(st.integers(2, 1000), st.integers(0, 2**32))
def test_a_count_stays_a_count_and_one_move_is_seen(value: int, rng_seed: int) -> None:
    items = [Tunable(ast.Constant(value), "count")]
    move_one(items, 0.01, np.random.default_rng(rng_seed))
    assert isinstance(items[0].node.value, int)
    assert items[0].value >= 1
    assert items[0].value != value


def test_a_move_of_all_moves_at_least_one() -> None:
    for rng_seed in range(20):
        items = tunables(ast.parse("a = 0.3\nb = 2.5\nc = 0.7"))
        move_all(items, 0.4, np.random.default_rng(rng_seed))
        assert [item.value for item in items] != [0.3, 2.5, 0.7]


def test_one_success_in_five_keeps_the_step_size() -> None:
    assert step_size(()) == SIGMA_START
    assert step_size((True, False, False, False, False)) == pytest.approx(SIGMA_START)
    assert step_size((True, True)) > SIGMA_START > step_size((False, False))


@given(st.lists(st.booleans(), max_size=200))
def test_the_step_size_stays_in_its_range(tuned: list[bool]) -> None:
    assert SIGMA_RANGE[0] <= step_size(tuned) <= SIGMA_RANGE[1]
