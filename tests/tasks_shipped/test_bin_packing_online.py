"""Bin packing by real calls: it agrees with the tables, and hides what is still to come."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from evolve.folder import TaskFolder
from evolve.grading import TaskCode
from evolve.loader import load_task
from evolve.task import Instance, Invalid

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "tasks" / "bin_packing_online"
PROGRAMS = sorted((FOLDER / "programs").glob("*.py"))
# By real calls; of these, first fit and best fit are published.
PUBLISHED_5K = {"first_fit": "4.375", "best_fit": "3.997", "eoh": "0.766"}


@pytest.fixture(scope="module")
def code() -> TaskCode:
    """The task as a search loads it, with the one that it extends mounted beside it."""
    loaded = load_task(FOLDER)
    return TaskCode(TaskFolder.of(FOLDER), loaded.spec, {}, loaded.digest, lambda *told: None)


@pytest.fixture(scope="module")
def task(code: TaskCode) -> ModuleType:
    return code._module


@pytest.fixture(scope="module")
def settings() -> SimpleNamespace:
    data = SimpleNamespace(path="", length=5000)
    return SimpleNamespace(train_instances=2, valid_instances=2, test_instances=1, data=data)


def rule(name: str) -> Callable[..., Any]:
    scope: dict[str, Any] = {}
    exec((FOLDER / "programs" / f"{name}.py").read_text(encoding="utf-8"), scope)
    return scope["priority"]


def fed(task: ModuleType, instance: Instance, priority: Callable[..., Any]) -> np.ndarray:
    feed = task.feed(instance)
    item = next(feed)
    try:
        while True:
            item = feed.send(priority(**instance.public, **item))
    except StopIteration as end:
        return end.value


@pytest.fixture(scope="module")
def short(task: ModuleType) -> Instance:
    items = task.sequences(task.PUBLISHED, "online", "short")[0][:800]
    return task.instance("short", items, 100, {})


@pytest.mark.parametrize("name", ["first_fit", "eoh", "funsearch_weibull"])
def test_what_is_fed_packs_as_the_published_loop_does(
    task: ModuleType, short: Instance, name: str
) -> None:
    items, priority = short.private["items"], rule(name)
    bins = np.full(len(items), 100.0)
    placed = []
    for item in items:
        room = np.flatnonzero(bins >= item)
        placed.append(room[np.argmax(priority(100, float(item), bins[room]))])
        bins[placed[-1]] -= item
    assert fed(task, short, priority).tolist() == placed


@pytest.mark.parametrize("name", PUBLISHED_5K)
def test_published_numbers_reproduce_by_real_calls(
    task: ModuleType, settings: SimpleNamespace, name: str
) -> None:
    part = [
        each
        for each in task.instances("published", settings)
        if each.groups["protocol"] == "weibull_5k"
    ]
    grades = [task.grade(each, fed(task, each, rule(name))) for each in part]
    assert f"{task.published(part, grades):.3f}" == PUBLISHED_5K[name]


def test_nothing_of_what_is_to_come_is_handed_over(task: ModuleType, short: Instance) -> None:
    """Two sequences with the same beginning look the same until they part."""
    items = short.private["items"]
    other = task.instance("other", np.concatenate([items[:100], items[100:][::-1]]), 100, {})
    feeds = [task.feed(short), task.feed(other)]
    shown = [next(feed) for feed in feeds]
    for _ in range(100):
        assert shown[0]["item"] == shown[1]["item"]
        assert np.array_equal(shown[0]["bins"], shown[1]["bins"])
        shown = [feed.send(-each["bins"]) for feed, each in zip(feeds, shown, strict=True)]
    assert short.public == other.public == {"capacity": 100}


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda bins: bins[1:], "one per bin"),
        (lambda bins: 1.0, "one per bin"),
        (lambda bins: bins * np.nan, "not a number"),
        (lambda bins: "best", "no numbers"),
    ],
)
def test_answers_that_are_no_priorities_are_refused(
    task: ModuleType, short: Instance, answer: Callable[..., Any], says: str
) -> None:
    with pytest.raises(Invalid, match=says):
        fed(task, short, lambda capacity, item, bins: answer(bins))


def test_packings_that_break_the_rules_are_refused(task: ModuleType, short: Instance) -> None:
    length = len(short.private["items"])
    for output, says in (
        (np.zeros(length, dtype=int), "holds"),
        (np.arange(length - 1), "no packing"),
        (np.arange(length) * 1.0, "no packing"),
    ):
        with pytest.raises(Invalid, match=says):
            task.grade(short, output)
    assert task.grade(short, np.arange(length)).measures["used"] == length


def test_splits_and_blocks_give_other_items(task: ModuleType, settings: SimpleNamespace) -> None:
    firsts = [
        next(iter(task.instances(split, settings, block=block)))
        for split, block in (("train", 0), ("valid", 0), ("valid", 1), ("test", 0), ("test", 9))
    ]
    assert len({each.name for each in firsts}) == len(firsts)
    assert len({each.private["items"].tobytes() for each in firsts}) == len(firsts)


def test_the_first_probe_is_one_call_that_shows_the_length_of_the_bins(
    code: TaskCode, task: ModuleType, settings: SimpleNamespace
) -> None:
    first = next(iter(task.instances("probe", settings)))
    assert fed(task, first, rule("best_fit")).tolist() == [1]  # filled exactly
    assert code.dims(first) == {"N": len(task.FIRST_BINS)}
    assert {*first.public} == {"capacity"}


def test_blocks_give_what_they_declare(code: TaskCode) -> None:
    for block in code.spec.block:
        scope: dict[str, Any] = {}
        exec(block.source, scope)
        function = scope[block.name]
        names = function.__code__.co_varnames[: function.__code__.co_argcount]
        for item in (1.0, 39.0, 39.0, 100.0):
            bins = np.array([*np.arange(100.0, item - 1, -7), item, 100.0, 100.0])
            given = {"capacity": 100, "item": item, "bins": bins.copy()}
            value = np.asarray(function(**{name: given[name] for name in names}))
            assert value.shape == bins.shape, block.name
            assert value.dtype.kind == ("b" if block.gives == "mask" else "f"), block.name
            assert np.isfinite(value).all(), block.name
            assert np.array_equal(given["bins"], bins), block.name


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_programs_pack_every_probe(task: ModuleType, settings: SimpleNamespace, path: Path) -> None:
    for each in task.instances("probe", settings):
        grade = task.grade(each, fed(task, each, rule(path.stem)))
        assert 0 <= grade.measures["opens"] <= grade.measures["fills"] + 1


def test_programs_differ_on_the_probes(task: ModuleType, settings: SimpleNamespace) -> None:
    probes = list(task.instances("probe", settings))
    packings = {
        tuple(fed(task, each, rule(path.stem)).tobytes() for each in probes) for path in PROGRAMS
    }
    assert len(packings) == len(PROGRAMS)


def test_the_exported_packer_does_what_was_graded(task: ModuleType, short: Instance) -> None:
    path = FOLDER / "exported" / "online_packer.py"
    spec = importlib.util.spec_from_file_location("online_packer", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name in ("eoh", "funsearch_weibull"):
        packer = module.OnlinePacker(rule(name), 100)
        numbers = [packer.place(int(item)) for item in short.private["items"]]
        assert numbers == fed(task, short, rule(name)).tolist()
        assert max(packer.loads) <= 100
    with pytest.raises(ValueError, match="up to 100"):
        packer.place(101)
