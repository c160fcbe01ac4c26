"""cache_prediction: the variant tells one bit per request, and programs that use it gain by it."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from evolve.loader import Task, load_task
from evolve.task import Instance

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "tasks" / "cache_prediction"
OWN = sorted(path.stem for path in (FOLDER / "programs").glob("*.py"))
SMALL = {"lanes": 2, "requests": 1500, "trace": SimpleNamespace(path="")}


@pytest.fixture(scope="module")
def variant() -> Task:
    return load_task(FOLDER)


@pytest.fixture(scope="module")
def task() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER.parent))
        yield importlib.import_module("cache_eviction.task")


@pytest.fixture(scope="module")
def settings(variant: Task) -> SimpleNamespace:
    told = {key: value for key, value in variant.spec.settings.items() if "." not in key}
    return SimpleNamespace(**{**told, **SMALL})


def outcome(task: ModuleType, variant: Task, instance: Instance, name: str) -> dict[str, Any]:
    scope: dict[str, Any] = {}
    exec(variant.harness() or "", scope)
    program: dict[str, Any] = {}
    exec(variant.programs()[name], program)
    answer = scope["call"](program["Policy"], instance.public, None)
    items = task.feed(instance)
    item = next(items)
    while True:
        try:
            item = items.send(answer(**item))
        except StopIteration as end:
            found: dict[str, Any] = end.value
            return found


def test_the_variant_has_the_programs_of_the_task_and_its_own(variant: Task) -> None:
    assert variant.spec.settings["prediction"] is True
    assert {"lru", "s3_fifo", *OWN} <= set(variant.programs())
    assert "belady" in variant.controls()


@pytest.mark.parametrize("name", OWN)
def test_a_bit_saves_misses(
    name: str, task: ModuleType, variant: Task, settings: SimpleNamespace
) -> None:
    def score(program: str) -> float:
        kept = task.instances("train", settings)
        scores = [task.grade(each, outcome(task, variant, each, program)).score for each in kept]
        return sum(scores) / len(scores)

    assert score(name) > score("lru") + 0.03


def test_programs_with_the_bit_differ_on_the_probes(
    task: ModuleType, variant: Task, settings: SimpleNamespace
) -> None:
    probes = list(task.instances("probe", settings))
    seen = {
        tuple(tuple(outcome(task, variant, each, name)["victims"]) for each in probes)
        for name in OWN
    }
    assert len(seen) == len(OWN)
