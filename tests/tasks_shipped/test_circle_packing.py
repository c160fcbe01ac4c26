"""Circle packing: radii are exact, the optimiser's calls are counted, outputs are checked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from shipped import module_of

from evolve.spec import TaskSpec
from evolve.task import Instance, Invalid

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "tasks" / "circle_packing"
PROGRAMS = sorted((FOLDER / "programs").glob("*.py"))


def program(name: str) -> Callable[..., Any]:
    scope: dict[str, Any] = {}
    exec((FOLDER / "programs" / f"{name}.py").read_text(encoding="utf-8"), scope)
    return scope["pack"]


def centers(harness: ModuleType, name: str, n: int, evaluations: int = 2) -> np.ndarray:
    draw = np.random.default_rng(5)
    public = {"centers": draw.random((n, 2)), "evaluations": evaluations}
    return harness.call(program(name), public, draw)


def some_centers() -> list[np.ndarray]:
    """Centres at random, on top of each other, in circles of others, and on the border."""
    draw = np.random.default_rng(0)
    found = [draw.random((n, 2)) for n in (1, 2, 3, 8, 26, 26, 26)]
    found[-1][1], found[-1][3] = found[-1][0], found[-1][2] + 1e-4
    found.append(0.5 + 0.01 * draw.standard_normal((6, 2)))
    found.append(np.array([[0.0, 0.5], [1.0, 1.0], [0.5, 0.5]]))
    return found


def test_the_grid_has_its_published_sum(
    task: ModuleType, harness: ModuleType, settings: SimpleNamespace, spec: TaskSpec
) -> None:
    each = next(iter(task.instances("published", settings)))
    grade = task.grade(each, centers(harness, "grid", 26))
    assert f"{task.published([each], [grade]):.4f}" == spec.published_protocol["grid n26"]


def test_radii_fit_and_touch_no_other_circle(task: ModuleType, harness: ModuleType) -> None:
    for places in some_centers():
        radii = harness.best_radii(places)
        assert radii.min() >= 0
        assert task.overlap(places, radii) <= 1e-14


def test_no_radii_sum_to_more(harness: ModuleType) -> None:
    """The assignment is a bound: the costs of any permutation, halved, are not below the sum."""
    for places in some_centers():
        gaps = places[:, None] - places
        cost = np.sqrt((gaps**2).sum(-1))
        np.fill_diagonal(cost, 2 * np.minimum(places, 1 - places).min(1))
        u, v = harness.potentials(cost)
        assert (u[:, None] + v <= cost + 1e-12).all()
        tight = u[:, None] + v >= cost - 1e-12
        assert tight.any(0).all()
        assert tight.any(1).all()
        assert harness.best_radii(places).sum() == pytest.approx((u + v).sum() / 2, abs=1e-12)


def test_radii_are_those_of_a_general_solver(harness: ModuleType) -> None:
    optimize = pytest.importorskip("scipy.optimize", reason="scipy is not installed")
    for places in some_centers():
        n = len(places)
        pairs = [(i, j) for i in range(n) for j in range(i)]
        rows = np.zeros((len(pairs), n))
        for row, (i, j) in zip(rows, pairs, strict=True):
            row[i] = row[j] = 1
        bounds = [float(np.hypot(*(places[i] - places[j]))) for i, j in pairs]
        walls = np.minimum(places, 1 - places).min(1)
        solved = optimize.linprog(
            -np.ones(n),
            A_ub=rows if pairs else None,
            b_ub=bounds if pairs else None,
            bounds=[(0, wall) for wall in walls],
        )
        assert harness.best_radii(places).sum() == pytest.approx(-solved.fun, abs=1e-9)


def test_the_gradient_is_the_slope(harness: ModuleType) -> None:
    draw = np.random.default_rng(1)
    at = np.concatenate([draw.random((2, 6)), draw.uniform(0.1, 0.4, (1, 6))])
    between, walls = draw.random((6, 6)), draw.random((4, 6))
    between = between + between.T
    _, gradient = harness.lagrangian(at, between, walls, 3.0)
    step = 1e-6
    for where in np.ndindex(at.shape):
        above, below = at.copy(), at.copy()
        above[where] += step
        below[where] -= step
        rise = (
            harness.lagrangian(above, between, walls, 3.0)[0]
            - harness.lagrangian(below, between, walls, 3.0)[0]
        )
        assert gradient[where] == pytest.approx(rise / (2 * step), abs=1e-5)


def test_the_optimiser_ends_at_known_optima(harness: ModuleType) -> None:
    draw = np.random.default_rng(2)
    for n, known in ((1, 0.5), (2, 2 - 2**0.5)):
        best = max(harness.improved(draw.random((n, 2)), n)[1] for _ in range(4))
        assert best == pytest.approx(known, abs=1e-6)


def test_calls_of_the_optimiser_are_counted(harness: ModuleType) -> None:
    def greedy(centers: np.ndarray, rng: Any, improve: Any, evaluations: int) -> np.ndarray:
        for _ in range(evaluations + 1):
            found, _ = improve(rng.random(centers.shape))
        return found

    public = {"centers": np.full((2, 2), 0.5), "evaluations": 2}
    with pytest.raises(RuntimeError, match="was called 2 times"):
        harness.call(greedy, public, np.random.default_rng(0))


def test_the_optimiser_says_what_it_takes(harness: ModuleType) -> None:
    for wrong in (np.zeros((3, 2)), np.full((2, 2), np.nan)):
        with pytest.raises(ValueError, match="finite centres of shape"):
            harness.improved(wrong, 2)


def test_grades_repeat_themselves(task: ModuleType, train: list[Instance]) -> None:
    places = np.random.default_rng(4).random((26, 2))
    assert task.grade(train[0], places) == task.grade(train[0], places.tolist())


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda c: c[1:], "shape"),
        (lambda c: c.T, "shape"),
        (lambda c: c + 1, "stay in 0 to 1"),
        (lambda c: c * np.nan, "not finite"),
        (lambda c: None, "numbers of shape"),
        (lambda c: c > 0, "numbers of shape"),
        (lambda c: [[0], [1, 2]], "no centres"),
    ],
)
def test_what_are_no_centres_is_refused_with_a_reason(
    task: ModuleType, train: list[Instance], change: Callable[[np.ndarray], Any], says: str
) -> None:
    with pytest.raises(Invalid, match=says):
        task.grade(train[0], change(np.random.default_rng(4).random((26, 2))))


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_programs_pack_any_small_number(task: ModuleType, harness: ModuleType, path: Path) -> None:
    for n in (1, 3, 6):
        each = task.instance(f"small-{n}", n, 1)
        assert task.grade(each, centers(harness, path.stem, n, 1)).score >= 0


def test_programs_differ(harness: ModuleType) -> None:
    packed = {
        tuple(centers(harness, path.stem, n, 3).tobytes() for n in (3, 5, 7)) for path in PROGRAMS
    }
    assert len(packed) == len(PROGRAMS)


def test_blocks_have_names_of_their_own(task: ModuleType, settings: SimpleNamespace) -> None:
    """The generator of a program follows from the instance's name."""
    names = [
        each.name
        for split, block in (("train", 0), ("valid", 0), ("valid", 1), ("test", 0), ("test", 7))
        for each in task.instances(split, settings, block=block)
    ]
    assert len(set(names)) == len(names)
    sizes = {len(each.public["centers"]) for each in task.instances("test", settings)}
    assert sizes == {20, 23, 26, 29, 32}


def test_instances_begin_with_centres_of_their_own(
    task: ModuleType, settings: SimpleNamespace
) -> None:
    blocks = (("train", 0), ("valid", 0), ("valid", 1), ("test", 0))
    given = [
        each.public["centers"] for split, n in blocks for each in task.instances(split, settings, n)
    ]
    assert len({places.tobytes() for places in given}) == len(given)
    assert all(places.min() >= 0 and places.max() < 1 for places in given)


def test_a_measure_tells_large_circles_inside_from_large_ones_outside(task: ModuleType) -> None:
    places = np.array([[0.5, 0.5], [0.1, 0.1], [0.9, 0.1], [0.1, 0.9], [0.9, 0.9]])
    assert task.outward(places, np.array([0.4, 0.1, 0.1, 0.1, 0.1])) == pytest.approx(-1)
    assert task.outward(places, np.array([0.0, 0.1, 0.1, 0.1, 0.1])) == pytest.approx(1)
    assert task.outward(places, np.full(5, 0.1)) == task.outward(places[:1], np.ones(1)) == 0


def test_blocks_give_other_centres_for_any_number_of_circles(
    task: ModuleType, spec: TaskSpec
) -> None:
    for block in spec.block:
        scope: dict[str, Any] = {}
        exec(block.source, scope)
        for n in (1, 2, 3, 7, 26, 32):
            places = np.random.default_rng(n).random((n, 2))
            given = places.copy()
            found = [scope[block.name](given, np.random.default_rng(draw)) for draw in (1, 2, 1)]
            each = task.instance(f"block-{n}", n, 1)
            assert all(value.shape == given.shape for value in found), block.name
            assert all(task.grade(each, value).score >= 0 for value in found), block.name
            assert np.array_equal(found[0], found[2]), block.name
            assert np.array_equal(given, places), block.name
        assert not np.array_equal(found[0], found[1]), block.name


def test_the_exported_packing_is_what_was_graded(task: ModuleType, harness: ModuleType) -> None:
    exported = module_of(FOLDER / "exported" / "packing.py")
    found, radii = exported.pack_circles(
        program("basin_hopping"), 7, seed=5, evaluations=2, harness=FOLDER / "harness.py"
    )
    assert np.array_equal(found, centers(harness, "basin_hopping", 7))
    assert task.overlap(found, radii) <= 1e-9
    each = task.instance("seven", 7, 2)
    assert task.grade(each, found).score == pytest.approx(radii.sum())
