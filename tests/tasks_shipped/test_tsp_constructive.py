"""Round trips: published lengths reproduce, tours are checked, blocks differ."""

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
FOLDER = ROOT / "tasks" / "tsp_constructive"
PROGRAMS = sorted((FOLDER / "programs").glob("*.py"))
FEW = {"train_instances": 2, "valid_instances": 2, "test_instances": 1}


@pytest.fixture(scope="module")
def settings(spec: TaskSpec) -> SimpleNamespace:
    return SimpleNamespace(**{**spec.settings, **FEW})


def program(name: str) -> Callable[..., Any]:
    scope: dict[str, Any] = {}
    exec((FOLDER / "programs" / f"{name}.py").read_text(encoding="utf-8"), scope)
    return scope["select_next_node"]


def tours(harness: ModuleType, instance: Instance, name: str) -> np.ndarray:
    return harness.call(program(name), instance.public, None)


@pytest.mark.parametrize(("nodes", "names"), [(20, "both"), (50, "both"), (100, "nearest")])
def test_published_lengths_reproduce(
    task: ModuleType,
    harness: ModuleType,
    settings: SimpleNamespace,
    spec: TaskSpec,
    nodes: int,
    names: str,
) -> None:
    part = [
        each
        for each in task.instances("published", settings)
        if each.groups["protocol"] == f"n{nodes}"
    ]
    for name in ("nearest_neighbour", "reevo")[: 2 if names == "both" else 1]:
        grades = [task.grade(each, tours(harness, each, name)) for each in part]
        printed = spec.published_protocol[f"{name} n{nodes}"]
        assert f"{task.published(part, grades):.4f}" == printed


def test_reevos_rule_is_what_its_formula_says(harness: ModuleType, train: list[Instance]) -> None:
    """One node after the other, as the paper's code computes it."""

    def plain(current: int, destination: int, unvisited: np.ndarray, distances: np.ndarray) -> int:
        scores = {}
        for node in unvisited:
            others = [distances[node][other] for other in unvisited if other != node]
            mean = np.mean(others) if others else 0.0
            spread = np.std(others) if others else 0.0
            step, home = distances[current][node], distances[destination][node]
            scores[node] = 0.4 * step - 0.25 * mean + 0.25 * spread - 0.1 * home
        return min(scores, key=scores.__getitem__)

    public = {**train[0].public, "distances": train[0].public["distances"][:1]}
    own = harness.call(program("reevo"), public, None)
    assert np.array_equal(harness.call(plain, public, None), own)


def test_a_length_is_the_sum_of_its_steps(task: ModuleType) -> None:
    square = np.array([[[0, 0], [1, 0], [1, 1], [0, 1]]], dtype=float)
    each = task.instance("square", square, {})
    assert task.grade(each, [[0, 1, 2, 3]]).score == -4
    assert task.grade(each, [[0, 2, 1, 3]]).score == pytest.approx(-2 - 2 * 2**0.5)


def test_grades_repeat_themselves(
    task: ModuleType, harness: ModuleType, train: list[Instance]
) -> None:
    output = tours(harness, train[0], "savings")
    assert task.grade(train[0], output) == task.grade(train[0], output.tolist())


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda t: t[:, 1:], "shape"),
        (lambda t: t.astype(float), "whole numbers"),
        (lambda t: np.zeros_like(t), "every node once"),
        (lambda t: t + 1, "every node once"),
        (lambda t: t[:, ::-1].copy(), "starts at node 0"),
        (lambda t: None, "whole numbers"),
        (lambda t: [[0], [1, 2]], "no tours"),
    ],
)
def test_what_are_no_tours_is_refused_with_a_reason(
    task: ModuleType, train: list[Instance], change: Callable[[np.ndarray], Any], says: str
) -> None:
    right = np.tile(np.arange(50), (8, 1))
    with pytest.raises(Invalid, match=says):
        task.grade(train[0], change(right))


@pytest.mark.parametrize("answer", [0, 50, -1, None, 1.5])
def test_an_answer_that_is_no_unvisited_node_is_told(
    harness: ModuleType, train: list[Instance], answer: Any
) -> None:
    with pytest.raises(ValueError, match="one of the unvisited"):
        harness.call(lambda *arguments: answer, train[0].public, None)


def test_splits_and_blocks_give_other_points(task: ModuleType, settings: SimpleNamespace) -> None:
    firsts = [
        next(iter(task.instances(split, settings, block=block)))
        for split, block in (("train", 0), ("valid", 0), ("valid", 1), ("test", 0), ("test", 9))
    ]
    assert len({each.name for each in firsts}) == len(firsts)
    assert len({each.public["distances"].tobytes() for each in firsts}) == len(firsts)


def test_test_has_points_of_every_kind(task: ModuleType, settings: SimpleNamespace) -> None:
    kinds = {each.groups["points"] for each in task.instances("test", settings)}
    assert kinds == {
        *("uniform 20", "uniform 50", "uniform 100", "uniform 200"),
        *("clustered 50", "sloping 50"),
    }


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_programs_walk_every_probe(
    task: ModuleType, harness: ModuleType, settings: SimpleNamespace, path: Path
) -> None:
    for each in task.instances("probe", settings):
        grade = task.grade(each, tours(harness, each, path.stem))
        for measure in ("nearest", "outlying"):
            assert 0 <= grade.measures[measure] <= 1


def test_probes_score_enough_nodes_and_tell_programs_apart(
    task: ModuleType, harness: ModuleType, settings: SimpleNamespace
) -> None:
    probes = list(task.instances("probe", settings))
    scored = 0
    for each in probes:
        nodes, steps = len(each.public["unvisited"]), each.public["steps"]
        scored += len(each.public["distances"]) * sum(range(nodes, nodes - steps, -1))
    assert scored >= 4096
    assert probes[0].public["steps"] == 1
    behaviours = {
        tuple(tours(harness, each, path.stem).tobytes() for each in probes) for path in PROGRAMS
    }
    assert len(behaviours) == len(PROGRAMS)


def test_measures_are_what_they_say(
    task: ModuleType, harness: ModuleType, train: list[Instance]
) -> None:
    nearest = task.grade(train[0], tours(harness, train[0], "nearest_neighbour"))
    assert nearest.measures["nearest"] == 1
    random = task.grade(train[0], tours(harness, train[0], "trivial"))
    assert random.measures["nearest"] < 0.2
    assert random.measures["outlying"] == pytest.approx(0.5, abs=0.05)


def test_blocks_give_what_they_declare(
    task: ModuleType, spec: TaskSpec, settings: SimpleNamespace
) -> None:
    for each in task.instances("probe", settings):
        for count in (len(each.public["unvisited"]), 1):
            unvisited = each.public["unvisited"][-count:]
            offered = {
                "current": 0,
                "destination": 0,
                "unvisited": unvisited,
                "distances": each.public["distances"][0],
            }
            for block in spec.block:
                scope: dict[str, Any] = {}
                exec(block.source, scope)
                function = scope[block.name]
                wanted = function.__code__.co_varnames[: function.__code__.co_argcount]
                value = np.asarray(function(**{name: offered[name] for name in wanted}))
                place = f"{block.name} on {each.name}"
                assert value.shape == (count,), place
                assert value.dtype.kind == "f", place
                assert np.isfinite(value).all(), place


def test_the_control_is_shorter(
    task: ModuleType, harness: ModuleType, train: list[Instance]
) -> None:
    scope: dict[str, Any] = {}
    exec((FOLDER / "controls" / "two_opt.py").read_text(encoding="utf-8"), scope)
    own = scope["select_next_node"](**train[0].public, private={})
    rule = tours(harness, train[0], "reevo")
    assert task.grade(train[0], own).score > task.grade(train[0], rule).score


def test_the_exported_tour_is_the_one_that_was_graded(
    task: ModuleType, harness: ModuleType
) -> None:
    exported = module_of(FOLDER / "exported" / "tour.py")
    places = np.random.default_rng(3).random((1, 40, 2))
    places[0, 0], places[0, 1] = 0.0, 1.0  # so that the square is no smaller than one
    each = task.instance("own", places, {})
    for name in ("reevo", "savings"):
        order = exported.tour(program(name), places[0])
        assert np.array_equal(order, tours(harness, each, name)[0])
        score = task.grade(each, order[None]).score
        assert exported.length(order, places[0]) == pytest.approx(-score)
    between = each.public["distances"][0]
    order = exported.tour(program("nearest_neighbour"), distances=between, start=5)
    assert order[0] == 5
    assert sorted(order.tolist()) == list(range(40))
    assert exported.length(order, distances=between) == pytest.approx(
        exported.length(order, places[0])
    )


def test_the_exported_tour_says_what_is_wrong() -> None:
    exported = module_of(FOLDER / "exported" / "tour.py")
    rule = program("nearest_neighbour")
    for arguments, says in (
        ({}, "points or distances"),
        ({"points": np.zeros(4)}, "coordinates"),
        ({"distances": np.zeros((3, 4))}, "n, n"),
    ):
        with pytest.raises(ValueError, match=says):
            exported.tour(rule, **arguments)
    with pytest.raises(ValueError, match="no unvisited node"):
        exported.tour(lambda *arguments: 99, np.random.default_rng(0).random((5, 2)))
