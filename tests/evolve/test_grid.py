"""The grid keeps the best of every cell, whatever the order in which they come."""

import itertools
from dataclasses import replace

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


offers = st.lists(
    st.tuples(st.sampled_from([-1.0, 0.0, 0.5, 2.0]), st.integers(1, 3), st.booleans()),
    min_size=1,
    max_size=20,
)


def offered(rows, depth):
    """Offer elites to one cell, some as if they had been confirmed; give what it holds each time."""
    grid = Grid(MEASURES, depth)
    for step, (fitness, nodes, confirmed) in enumerate(rows):
        elite = Elite(step, f"p{step}", fitness, nodes, fresh=8 if confirmed else 0)
        grid, _ = grid.place((0, 0), elite)
        yield elite, grid


def best_confirmed(held):
    return min((elite.key() for elite in held if elite.confirmed), default=None)


@given(offers, st.integers(1, 4))
@settings(max_examples=150, deadline=None)
def test_nobody_unconfirmed_ever_pushes_the_best_confirmed_out(rows, depth):
    seen = []
    for elite, grid in offered(rows, depth):
        seen.append(elite)
        assert best_confirmed(grid.cells[0, 0]) == best_confirmed(seen)


@given(offers, st.integers(1, 4))
@settings(max_examples=150, deadline=None)
def test_a_cell_is_one_too_full_only_for_the_sake_of_its_best_confirmed(rows, depth):
    for _, grid in offered(rows, depth):
        held = grid.cells[0, 0]
        assert [elite.key() for elite in held] == sorted(elite.key() for elite in held)
        assert len(held) <= depth or not any(elite.confirmed for elite in held[:depth])
        assert len(held) <= depth + 1


@given(offers, st.integers(1, 4))
@settings(max_examples=100, deadline=None)
def test_a_cell_is_trimmed_once_its_shown_elite_is_confirmed(rows, depth):
    *_, (_, grid) = offered(rows, depth)
    shown = grid.cells[0, 0][0]

    def settled(elite):
        return replace(elite, fresh=8) if elite == shown else elite

    assert grid.revalued(settled).cells[0, 0][0].step == shown.step
    assert len(grid.revalued(settled).cells[0, 0]) <= depth


def test_elites_rank_by_what_is_believed_of_them():
    grid, _ = Grid(MEASURES).place((0, 0), Elite(0, "lucky", 9.0, 1, believed=1.0))
    grid, placement = grid.place((0, 0), Elite(1, "solid", 3.0, 1, believed=2.0))
    assert placement is Placement.IMPROVED
    assert [elite.program for elite in grid.cells[0, 0]] == ["solid", "lucky"]
    assert grid_stats(grid).obj_max == 2.0


def test_what_revaluing_lets_go_empties_its_cell():
    grid, _ = Grid(MEASURES).place((0, 0), Elite(0, "p", 1.0, 1))
    emptied = grid.revalued(lambda elite: None)
    assert emptied.cells == {}
    assert list(emptied.changed(grid)) == [((0, 0), ())]


values = st.lists(st.integers(-3, 3), min_size=1, max_size=8)
acts = st.lists(
    st.one_of(
        st.tuples(st.just("place"), st.integers(0, 2), st.integers(-3, 3), st.booleans()),
        st.tuples(st.just("value"), values, st.sets(st.integers(0, 2))),
        st.tuples(st.just("look"), st.integers(0, 2)),
    ),
    max_size=30,
)


@given(acts, st.integers(1, 3))
@settings(max_examples=300, deadline=None)
def test_a_cell_that_nobody_looks_at_holds_what_it_held_if_somebody_had(acts, depth):
    grid, looked = Grid(MEASURES, depth), Grid(MEASURES, depth)
    for step, (act, *terms) in enumerate(acts):
        if act == "place":
            x, fitness, confirmed = terms
            elite = Elite(step, f"p{step}", float(fitness), 1, fresh=8 if confirmed else 0)
            grid, placement = grid.place((x, 0), elite)
            looked, seen = looked.place((x, 0), elite)
            assert placement is seen
        elif act == "value":
            worth, now = terms
            now = {(x, 0) for x in now}

            def value(elite, worth=worth):
                return replace(elite, believed=float(worth[elite.step % len(worth)]))

            grid, looked = grid.revalued(value, now), looked.revalued(value, now)
        else:
            grid.cells.get((terms[0], 0), ())
        tuple(looked.elites())
    assert grid == looked
    assert list(grid.changed(looked)) == []


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
