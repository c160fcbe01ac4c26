"""cache_priority: its books are right, its rules are those of the policies, and a rule is a cache."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from shipped import module_of

from evolve.loader import load_task
from evolve.task import Instance

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "tasks" / "cache_priority"
BASE = ROOT / "tasks" / "cache_eviction"
PROGRAMS = sorted((FOLDER / "programs").glob("*.py"))
SETTINGS = SimpleNamespace(
    train_bundles=5,
    lanes=2,
    requests=1200,
    prediction=False,
    prediction_noise=0.1,
    trace=SimpleNamespace(path=""),
)


HARNESS = module_of(FOLDER / "harness.py")
SAME = module_of(BASE / "harness.py")


@pytest.fixture(scope="module")
def base() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BASE.parent))
        yield importlib.import_module("cache_eviction.task")


@pytest.fixture(scope="module")
def train(base: ModuleType) -> list[Instance]:
    return list(base.instances("train", SETTINGS))


def outcome(base: ModuleType, instance: Instance, harness: ModuleType, program: Any) -> Any:
    answer, items = harness.call(program, instance.public, None), base.feed(instance)
    item = next(items)
    while True:
        try:
            item = items.send(answer(**item))
        except StopIteration as end:
            return end.value


@pytest.mark.parametrize("name", ["fifo", "lru", "mru"])
def test_rules_that_are_policies_let_the_same_keys_go(
    name: str, base: ModuleType, train: list[Instance]
) -> None:
    rule, policy = (
        module_of(FOLDER / "programs" / f"{name}.py"),
        module_of(BASE / "programs" / f"{name}.py"),
    )
    for instance in train:
        own = outcome(base, instance, HARNESS, rule.priority)
        assert own["victims"] == outcome(base, instance, SAME, policy.Policy)["victims"]


def test_the_books_say_what_was_asked_for() -> None:
    book, seen = HARNESS.Book(3), dict[str, Any]()

    def priority(cache: dict[str, Any]) -> Any:
        seen.update(cache)
        return -cache["age"]

    for key in (7, 8, 9):
        assert book.miss(key, priority) == HARNESS.NO_VICTIM
    book.hit(7)
    book.hit(7)
    assert book.miss(10, priority) == 8
    assert seen["age"].tolist() == [1, 4, 3]
    assert seen["stay"].tolist() == [5, 4, 3]
    assert seen["count"].tolist() == [3, 1, 1]
    assert seen["gap"].tolist() == [1, 2, 3]
    assert seen["now"] == 6
    assert book.miss(8, priority) == 9
    book.hit(8)
    book.miss(11, priority)
    slot = book.slot[8]
    assert seen["total"][slot] == 3
    assert seen["count"][slot] == 2
    assert all(np.asarray(seen[name]).min() >= 1 for name in ("age", "stay", "count", "gap"))


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_rules_are_graded_and_finite(path: Path, base: ModuleType, train: list[Instance]) -> None:
    rule = module_of(path).priority
    scores = [base.grade(each, outcome(base, each, HARNESS, rule)).score for each in train]
    assert -1 < np.mean(scores) < 0.5


@pytest.mark.parametrize(
    ("give", "says"),
    [
        (lambda cache: 1.0, "have shape"),
        (lambda cache: cache["age"][1:], "have shape"),
        (lambda cache: cache["age"] * np.nan, "not a number"),
    ],
)
def test_what_is_no_priority_is_refused(
    give: Any, says: str, base: ModuleType, train: list[Instance]
) -> None:
    with pytest.raises(ValueError, match=says):
        outcome(base, train[0], HARNESS, give)


def test_the_first_probe_is_a_single_call_with_dimensions_of_its_own() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER.parent))
        name = "cache_priority_here"
        package = ModuleType(name)
        package.__path__ = [str(FOLDER)]
        patch.setitem(sys.modules, name, package)
        patch.setitem(sys.modules, f"{name}.base", importlib.import_module("cache_eviction"))
        task = importlib.import_module("cache_eviction.task")
        patch.setitem(sys.modules, f"{name}.base.task", task)
        variant = importlib.import_module(f"{name}.task")
        probes = list(variant.instances("probe", SETTINGS))
        calls: list[int] = []

        def priority(cache: dict[str, Any]) -> Any:
            calls.append(len(cache["age"]))
            return cache["age"]

        outcome(task, probes[0], HARNESS, priority)
        assert calls == [variant.SLOTS] == [probes[0].public["cache"]["capacity"]]
        seen = {
            tuple(str(outcome(task, each, HARNESS, module_of(path).priority)) for each in probes)
            for path in PROGRAMS
        }
        assert len(seen) == len(PROGRAMS)


def test_blocks_give_what_they_declare() -> None:
    cache = {name: np.arange(1.0, 6.0) for name in ("age", "stay", "gap", "count", "recent")}
    cache |= {"total": cache["count"] + 2, "capacity": np.int64(5), "now": np.int64(40)}
    for block in load_task(FOLDER).spec.block:
        scope: dict[str, Any] = {}
        exec(block.source, scope)
        value = scope[block.name](cache)
        kind = "b" if block.gives == "mask" else "f"
        assert (value.dtype.kind, value.shape) == (kind, (5,)), block.name
        assert np.isfinite(value).all(), block.name


def test_an_exported_rule_is_a_cache() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER))
        adapter = module_of(FOLDER / "exported" / "priority_policy.py")
    sys.modules.pop("harness", None)
    cache = module_of(BASE / "exported" / "cache.py")
    rule = module_of(FOLDER / "programs" / "lru_2.py").priority
    kept = cache.PolicyCache(10, adapter.policy(rule))
    for key in np.random.default_rng(0).zipf(1.3, 2000).tolist():
        if key not in kept:
            kept[key] = -key
        assert kept[key] == -key
    assert len(kept) == 10
