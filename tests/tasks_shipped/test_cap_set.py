"""Cap sets: published sizes reproduce, what is built is a cap set, orders are graded alike."""

from __future__ import annotations

import importlib
import importlib.util
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
FOLDER = ROOT / "tasks" / "cap_set"
PROGRAMS = sorted((FOLDER / "programs").glob("*.py"))


@pytest.fixture(scope="module")
def caps(task: ModuleType) -> ModuleType:
    return importlib.import_module("cap_set.caps")


@pytest.fixture(scope="module")
def build() -> ModuleType:
    return module_of(FOLDER / "exported" / "build.py")


def program(name: str) -> Callable[..., Any]:
    scope: dict[str, Any] = {}
    exec((FOLDER / "programs" / f"{name}.py").read_text(encoding="utf-8"), scope)
    return scope["priority"]


def test_published_sizes_reproduce(
    task: ModuleType, harness: ModuleType, settings: SimpleNamespace, spec: TaskSpec
) -> None:
    found = {each.groups["protocol"]: each for each in task.instances("published", settings)}
    for key, printed in spec.published_protocol.items():
        name, protocol = key.split()
        each = found[protocol]
        grade = task.grade(each, harness.call(program(name), each.public, None))
        assert f"{task.published([each], [grade]):.0f}" == printed, key


def test_all_vectors_stand_in_the_order_of_the_published_procedure(caps: ModuleType) -> None:
    vectors = caps.all_vectors(4).astype(int)
    assert np.array_equal(vectors @ [27, 9, 3, 1], np.arange(81))


def test_a_vector_alone_has_the_priority_that_it_has_among_all(caps: ModuleType) -> None:
    """As published, a priority is that of one vector."""
    vectors = caps.all_vectors(8).astype(np.int64)
    for path in PROGRAMS:
        if path.stem == "trivial":
            continue
        together = program(path.stem)(vectors, 8)
        for at in range(0, 6561, 797):
            assert program(path.stem)(vectors[at : at + 1], 8)[0] == together[at], path.stem


def test_what_is_built_is_a_cap_set(caps: ModuleType, build: ModuleType) -> None:
    order = np.random.default_rng(0).permutation(3**6)
    taken = caps.all_vectors(6)[caps.greedy(order, 6)]
    assert caps.is_cap_set(taken)
    assert build.is_cap_set(taken)
    line = np.array([[0, 1, 2], [1, 1, 1], [2, 1, 0]])
    assert not caps.is_cap_set(line)
    assert not build.is_cap_set(line)
    assert not caps.is_cap_set(np.array([[0, 1], [0, 1]]))


def test_no_vector_can_be_added_to_what_is_built(caps: ModuleType) -> None:
    taken = caps.greedy(np.arange(3**4), 4)
    vectors = caps.all_vectors(4)
    for other in set(range(3**4)) - set(taken.tolist()):
        assert not caps.is_cap_set(vectors[[*taken, other]])


def test_grades_repeat_themselves(
    task: ModuleType, harness: ModuleType, train: list[Instance]
) -> None:
    ranks = harness.call(program("light_first"), train[1].public, None)
    assert task.grade(train[1], ranks) == task.grade(train[1], ranks.tolist())


def test_ties_are_broken_in_another_order_in_every_instance_and_block(
    task: ModuleType, settings: SimpleNamespace, train: list[Instance]
) -> None:
    blocks = [train, *(list(task.instances("valid", settings, block=b)) for b in (1, 2))]
    orders = [each.private["ties"].tobytes() for block in blocks for each in block]
    assert len(set(orders)) == len(orders)
    names = [each.name for block in blocks for each in block]
    assert len(set(names)) == len(names)


def test_test_asks_dimensions_that_no_other_split_asks(
    task: ModuleType, settings: SimpleNamespace
) -> None:
    def dimensions(split: str) -> set[int]:
        return {each.public["n"] for each in task.instances(split, settings)}

    assert dimensions("train") == dimensions("valid") == {8}
    assert dimensions("test") == {6, 7, 8, 9}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda r: r[1:], "shape"),
        (lambda r: r.astype(float), "whole numbers"),
        (lambda r: r - 2, "ranks run from"),
        (lambda r: r + 7000, "ranks run from"),
        (lambda r: None, "whole numbers"),
        (lambda r: [[1], [1, 2]], "no ranks"),
    ],
)
def test_what_are_no_ranks_is_refused_with_a_reason(
    task: ModuleType, train: list[Instance], change: Callable[[np.ndarray], Any], says: str
) -> None:
    with pytest.raises(Invalid, match=says):
        task.grade(train[0], change(np.ones(6561, dtype=np.int64)))


@pytest.mark.parametrize(
    ("priority", "says"),
    [
        (lambda vectors, n: vectors, "one priority per vector"),
        (lambda vectors, n: np.full(len(vectors), np.nan), "not a number"),
    ],
)
def test_priorities_that_are_none_are_told_why(
    harness: ModuleType, train: list[Instance], priority: Callable[..., Any], says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        harness.call(priority, train[0].public, None)


def test_minus_infinity_is_never_taken(
    task: ModuleType, harness: ModuleType, train: list[Instance]
) -> None:
    def only_light(vectors: np.ndarray, n: int) -> np.ndarray:
        return np.where((vectors != 0).sum(1) == 1, 0.0, -np.inf)

    grade = task.grade(train[0], harness.call(only_light, train[0].public, None))
    assert grade.score == 16  # plus and minus every unit vector
    nothing = harness.call(lambda v, n: np.full(len(v), -np.inf), train[0].public, None)
    assert task.grade(train[0], nothing).score == 0


def test_probes_show_enough_and_tell_programs_apart(
    task: ModuleType, harness: ModuleType, settings: SimpleNamespace
) -> None:
    probes = list(task.instances("probe", settings))
    assert sum(len(each.public["vectors"]) for each in probes) >= 4096
    behaviours = {
        tuple(harness.call(program(path.stem), each.public, None).tobytes() for each in probes)
        for path in PROGRAMS
    }
    assert len(behaviours) == len(PROGRAMS)


def test_blocks_give_what_they_declare(
    task: ModuleType, spec: TaskSpec, settings: SimpleNamespace
) -> None:
    for each in task.instances("probe", settings):
        vectors = each.public["vectors"].astype(np.int64)
        offered = {"vectors": vectors, "n": each.public["n"]}
        for block in spec.block:
            scope: dict[str, Any] = {}
            exec(block.source, scope)
            function = scope[block.name]
            wanted = function.__code__.co_varnames[: function.__code__.co_argcount]
            value = np.asarray(function(**{name: offered[name] for name in wanted}))
            place = f"{block.name} on {each.name}"
            assert value.shape == (len(vectors),), place
            assert value.dtype.kind == ("b" if block.gives == "mask" else "f"), place


def test_the_exported_builder_finds_what_was_graded(
    task: ModuleType, harness: ModuleType, build: ModuleType, settings: SimpleNamespace
) -> None:
    for n in (4, 6):
        each = task.instance(f"own-{n}", n, None)
        for name in ("zero", "light_first", "product_112"):
            built = build.build(program(name), n)
            assert build.is_cap_set(built)
            grade = task.grade(each, harness.call(program(name), each.public, None))
            assert grade.score == len(built)
