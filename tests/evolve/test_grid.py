"""The grid keeps the best of every cell, whatever the order in which they come."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evolve.grid import Elite, Grid, Placement, grid_stats
from evolve.spec import Measure

MEASURES = (
    Measure(name="a", range=(0.0, 1.0), bins=4),
    Measure(name="b", range=(-1.0, 1.0), bins=3),
)

elites = st.lists(
    st.tuples(
        st.sampled_from([-1.0, 0.0, 0.5, 0.5, 2.0]),
        st.integers(1, 3),
        st.floats(-0.5, 1.5),
        st.floats(-2, 2),
    ),
    max_size=30,
)


def insert(rows, order, depth=3):
    grid = Grid(MEASURES, depth)
    for step in order:
        fitness, nodes, a, b = rows[step]
        cell, _ = grid.locate({"a": a, "b": b})
        grid, _ = grid.place(cell, Elite(step, f"p{step}", fitness, nodes))
    return grid


@given(elites, st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None)
def test_the_order_of_inserts_does_not_matter(rows, random):
    order = list(range(len(rows)))
    shuffled = order.copy()
    random.shuffle(shuffled)
    assert insert(rows, order).cells == insert(rows, shuffled).cells


@given(elites, st.integers(1, 4))
@settings(max_examples=150, deadline=None)
def test_a_cell_holds_its_best_in_total_order(rows, depth):
    grid = insert(rows, range(len(rows)), depth)
    by_cell = {}
    for step, (fitness, nodes, a, b) in enumerate(rows):
        by_cell.setdefault(grid.locate({"a": a, "b": b})[0], []).append((-fitness, nodes, step))
    assert {cell: [e.key() for e in held] for cell, held in grid.cells.items()} == {
        cell: sorted(keys)[:depth] for cell, keys in by_cell.items()
    }


def test_an_exact_twin_never_displaces_the_one_that_is_there():
    grid = Grid(MEASURES, depth=1)
    first, twin = Elite(3, "p", 1.0, 10), Elite(4, "p", 1.0, 10)
    grid, placement = grid.place((0, 0), first)
    assert placement is Placement.NEW
    grid, placement = grid.place((0, 0), twin)
    assert placement is Placement.NOT_ADDED
    assert grid.cells[(0, 0)] == (first,)


def test_of_equal_fitness_the_shorter_program_is_shown():
    grid, _ = Grid(MEASURES).place((0, 0), Elite(0, "long", 1.0, 50))
    grid, placement = grid.place((0, 0), Elite(1, "short", 1.0, 20))
    assert placement is Placement.IMPROVED
    assert [elite.program for elite in grid.cells[(0, 0)]] == ["short", "long"]


@pytest.mark.parametrize(
    ("values", "cell", "clipped"),
    [
        ({"a": 0.0, "b": -1.0}, (0, 0), False),
        ({"a": 1.0, "b": 1.0}, (3, 2), False),
        ({"a": 0.25, "b": 0.0}, (1, 1), False),
        ({"a": 7.0, "b": 0.0}, (3, 1), True),
        ({"a": 0.3, "b": -1.01}, (1, 0), True),
    ],
)
def test_edges_are_fixed_and_what_lies_outside_is_clipped_and_counted(values, cell, clipped):
    assert Grid(MEASURES).locate(values) == (cell, clipped)


def test_statistics_of_a_small_grid():
    grid = Grid(MEASURES)
    for step, (cell, fitness) in enumerate(
        zip(itertools.product(range(2), range(2)), (1.0, 2.0, 3.0, 4.0), strict=True)
    ):
        grid, _ = grid.place(cell, Elite(step, "p", fitness, 1))
    stats = grid_stats(grid, qd_offset=-1.0)
    assert (stats.num_elites, stats.coverage, stats.obj_max) == (4, 4 / 12, 4.0)
    assert (stats.qd_score, stats.norm_qd_score, stats.obj_mean) == (14.0, 14.0 / 12, 2.5)


def test_statistics_of_an_empty_grid():
    stats = grid_stats(Grid(MEASURES))
    assert (stats.num_elites, stats.obj_max, stats.obj_mean, stats.qd_score) == (0, None, None, 0.0)
