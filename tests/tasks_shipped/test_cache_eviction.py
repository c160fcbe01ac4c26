"""cache_eviction: the cache is real, the future is outside, and a policy is a cache for users."""

from __future__ import annotations

import functools
import importlib
import importlib.util
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from shipped import module_of

from evolve.spec import read_spec
from evolve.task import Instance, Invalid, Unusable

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "tasks" / "cache_eviction"
PROGRAMS = sorted((FOLDER / "programs").glob("*.py"))
SETTINGS = SimpleNamespace(
    train_bundles=5,
    valid_bundles=2,
    test_bundles=5,
    lanes=4,
    requests=1200,
    prediction=False,
    prediction_noise=0.1,
    trace=SimpleNamespace(path=""),
)


@pytest.fixture(scope="module")
def train(task: ModuleType) -> list[Instance]:
    return list(task.instances("train", SETTINGS))


HARNESS = module_of(FOLDER / "harness.py")


def policy(name: str) -> Any:
    return module_of(FOLDER / "programs" / f"{name}.py").Policy


def outcome(
    task: ModuleType,
    instance: Instance,
    candidate: Any,
    note: Callable[[dict[str, Any]], None] = lambda item: None,
) -> dict[str, Any]:
    """Serve the lanes with the harness as behind the wall. note: is shown every item."""
    answer, items = HARNESS.call(candidate, instance.public, None), task.feed(instance)
    item = next(items)
    while True:
        note(item)
        try:
            item = items.send(answer(**item))
        except StopIteration as end:
            found: dict[str, Any] = end.value
            return found


def by_hand(candidate: Any, keys: list[int], capacity: int) -> int:
    """Count misses in the plainest way there is."""
    one, cached, misses = candidate(capacity), set[int](), 0
    for key in keys:
        if key in cached:
            one.hit(key)
            continue
        misses += 1
        full = len(cached) == capacity
        victim = one.miss(key, full)
        cached.discard(victim)
        cached.add(key)
        assert len(cached) <= capacity
    return misses


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_lanes_in_step_miss_as_often_as_a_plain_loop(
    path: Path, task: ModuleType, train: list[Instance]
) -> None:
    candidate = module_of(path).Policy
    for instance in train[1::2]:
        expected = [
            by_hand(candidate, trace.tolist(), capacity)
            for trace, capacity in zip(
                instance.private["traces"], instance.public["capacities"], strict=True
            )
        ]
        assert outcome(task, instance, candidate)["misses"] == expected


def test_lru_misses_as_functools_does(task: ModuleType, train: list[Instance]) -> None:
    found = outcome(task, train[0], policy("lru"))
    for trace, capacity, misses in zip(
        train[0].private["traces"], train[0].public["capacities"], found["misses"], strict=True
    ):
        kept = functools.lru_cache(capacity)(lambda key: key)
        for key in trace.tolist():
            kept(key)
        assert kept.cache_info().misses == misses


def test_fifo_saves_nothing_and_beladys_optimum_most(
    task: ModuleType, train: list[Instance]
) -> None:
    for instance in train:
        scores = {
            name: task.grade(instance, outcome(task, instance, policy(name))).score
            for name in ("fifo", "lru", "s3_fifo", "arc")
        }
        assert scores["fifo"] == 0.0
        assert task.grade(instance, optimal(task, instance)).score > max(scores.values())


def optimal(task: ModuleType, instance: Instance) -> dict[str, Any]:
    control = module_of(FOLDER / "controls" / "belady.py").Policy
    items = task.feed(instance)
    item = next(items)
    while True:
        try:
            item = items.send(control(**instance.public, private=instance.private, **item))
        except StopIteration as end:
            found: dict[str, Any] = end.value
            return found


def test_the_optimum_is_the_least_that_any_victims_give(task: ModuleType) -> None:
    lanes = importlib.import_module("cache_eviction.lanes")

    @functools.cache
    def least(at: int, cached: frozenset[int]) -> int:
        if at == len(keys):
            return 0
        if keys[at] in cached:
            return least(at + 1, cached)
        if len(cached) < 3:
            return 1 + least(at + 1, cached | {keys[at]})
        return 1 + min(least(at + 1, cached - {victim} | {keys[at]}) for victim in cached)

    keys = np.random.default_rng(3).integers(0, 7, 24).tolist()
    victims, gone = lanes.belady(keys, 3)
    assert len(victims) + 3 == least(0, frozenset())
    assert gone[-1]


def test_nothing_of_the_future_is_told(task: ModuleType, train: list[Instance]) -> None:
    """Two traces that part at one request are the same to a program until then."""
    instance = train[3]
    cut = 700
    traces = [trace.copy() for trace in instance.private["traces"]]
    for trace in traces:
        trace[cut:] = trace[:-cut][::-1]
    other = Instance(instance.name, instance.public, {**instance.private, "traces": traces})
    seen: list[list[list[int]]] = []
    for each in (instance, other):
        told: list[list[int]] = [[] for _ in traces]

        def note(item: dict[str, Any], told: list[list[int]] = told) -> None:
            begin = 0
            for lane, end in zip(item["lanes"].tolist(), item["ends"].tolist(), strict=True):
                told[lane] += item["keys"][begin:end].tolist()
                begin = end

        outcome(task, each, policy("lru"), note)
        seen.append(told)
    for first, second, trace in zip(*seen, instance.private["traces"], strict=True):
        assert first[:cut] == second[:cut] == trace.tolist()[:cut]
    assert set(instance.public) == {"capacities", "prediction"}


def test_an_item_ends_with_the_key_that_is_missed(task: ModuleType, train: list[Instance]) -> None:
    def note(item: dict[str, Any]) -> None:
        assert set(item) == {"step", "lanes", "ends", "keys"}
        assert item["ends"][-1] == len(item["keys"])

    outcome(task, train[0], policy("clock"), note)


def test_names_of_keys_say_nothing(task: ModuleType, train: list[Instance]) -> None:
    for instance in train:
        traces = instance.private["traces"]
        everything = np.concatenate([np.unique(trace) for trace in traces])
        assert len(np.unique(everything)) == len(everything)
        _, first = np.unique(traces[0], return_index=True)
        assert abs(np.corrcoef(np.arange(len(first)), first)[0, 1]) < 0.2


class Broken(OrderedDict[int, bool]):
    """LRU with one fault."""

    def __init__(self, capacity: int) -> None:
        super().__init__()

    def hit(self, key: int) -> None:
        self.move_to_end(key)

    def miss(self, key: int, full: bool) -> Any:
        victim = self.popitem(last=False)[0] if full else None
        self[key] = True
        return self.fault(victim, key)

    def fault(self, victim: Any, key: int) -> Any:
        raise NotImplementedError


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (lambda victim, key: key, "it has room and"),
        (lambda victim, key: None, "it is full and no key"),
        (lambda victim, key: None if victim is None else key, "which it does not hold"),
        (lambda victim, key: None if victim is None else victim + 1, "which it does not hold"),
    ],
)
def test_what_is_no_victim_is_refused_with_a_reason(
    fault: Callable[[Any, int], Any], says: str, task: ModuleType, train: list[Instance]
) -> None:
    candidate = type("Faulty", (Broken,), {"fault": lambda self, *given: fault(*given)})
    with pytest.raises(Invalid, match=says):
        outcome(task, train[0], candidate)


@pytest.mark.parametrize("answer", [None, [1, 2], np.zeros(2), np.zeros(1, int), "keys"])
def test_answers_that_were_tampered_with_are_refused(
    answer: Any, task: ModuleType, train: list[Instance]
) -> None:
    items = task.feed(train[0])
    next(items)
    with pytest.raises(Invalid, match="came back changed"):
        items.send(answer)


def test_measures_know_recency_and_frequency(task: ModuleType, train: list[Instance]) -> None:
    found = {
        name: task.grade(train[0], outcome(task, train[0], policy(name))).measures
        for name in ("lru", "lfu", "mru", "trivial")
    }
    assert found["lru"]["recency"] == 1.0
    assert found["mru"]["recency"] == 0.0
    assert found["trivial"]["recency"] == pytest.approx(0.5, abs=0.1)
    assert found["lfu"]["frequency"] > found["lru"]["frequency"] + 0.2


def test_grades_repeat_themselves(task: ModuleType, train: list[Instance]) -> None:
    first, again = (outcome(task, train[2], policy("arc")) for _ in range(2))
    assert first == again
    assert task.grade(train[2], first) == task.grade(train[2], again)


def test_splits_and_blocks_give_other_traces(task: ModuleType) -> None:
    firsts = [
        next(iter(task.instances(split, SETTINGS, block)))
        for split, block in (("train", 0), ("valid", 0), ("valid", 1), ("test", 0))
    ]
    assert len({each.name for each in firsts}) == 4
    sizes = [np.unique(each.private["traces"][0], return_counts=True)[1] for each in firsts]
    assert len({tuple(np.sort(counts)) for counts in sizes}) == 4


def test_probes_show_enough_items_and_tell_policies_apart(task: ModuleType) -> None:
    probes = list(task.instances("probe", SETTINGS))
    assert sum(len(trace) for each in probes for trace in each.private["traces"]) >= 4096
    seen = {
        path.stem: tuple(
            tuple(outcome(task, each, module_of(path).Policy)["victims"]) for each in probes
        )
        for path in PROGRAMS
    }
    assert len(set(seen.values())) == len(PROGRAMS)


def test_a_prediction_is_as_often_wrong_as_it_says(task: ModuleType) -> None:
    noisy = SimpleNamespace(**{**vars(SETTINGS), "prediction": True, "prediction_noise": 0.2})
    sure = SimpleNamespace(**{**vars(noisy), "prediction_noise": 0.0})
    first, second = (next(iter(task.instances("train", each))) for each in (noisy, sure))
    wrong = [(a != b).mean() for a, b in zip(first.private["bits"], second.private["bits"])]  # noqa: B905
    assert np.mean(wrong) == pytest.approx(0.2, abs=0.03)
    told: list[bool] = []

    class Listens(Broken):
        def hit(self, key: int, bit: bool) -> None:  # type: ignore[override]
            super().hit(key)
            told.append(bit)

        def miss(self, key: int, full: bool, bit: bool) -> Any:  # type: ignore[override]
            told.append(bit)
            victim = self.popitem(last=False)[0] if full else None
            self[key] = True
            return victim

    outcome(task, first, Listens)
    # hits after the last miss are never told of: there is nothing left to decide
    assert len(told) > 0.95 * sum(len(trace) for trace in first.private["traces"])
    assert outcome(task, first, policy("lru"))["misses"]


def test_a_users_trace_takes_the_place_of_the_kinds(task: ModuleType, tmp_path: Path) -> None:
    own = SimpleNamespace(**{**vars(SETTINGS), "trace": SimpleNamespace(path="")})
    draw = np.random.default_rng(0)
    (tmp_path / "own.txt").write_text("\n".join(f"/page/{i}" for i in draw.zipf(1.3, 9000)))
    own.trace.path = str(tmp_path / "own.txt")
    instance = next(iter(task.instances("train", own)))
    assert instance.groups["kind"] == "own"
    assert task.grade(instance, outcome(task, instance, policy("lru"))).score < 1
    (tmp_path / "short.txt").write_text("a\nb\n")
    own.trace.path = str(tmp_path / "short.txt")
    with pytest.raises(Unusable, match="2 requests"):
        next(iter(task.instances("train", own)))


def test_splits_of_a_users_trace_share_no_request(
    task: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    traces = importlib.import_module("cache_eviction.traces")
    monkeypatch.setattr(traces, "renamed", lambda keys, draw: keys)
    path = tmp_path / "own.txt"
    path.write_text("\n".join(map(str, range(9000))))
    seen = [
        set(
            np.concatenate(
                [traces.trace("own", split, 2000, f"{split}-{i}", str(path)) for i in range(9)]
            )
        )
        for split in ("train", "valid", "test")
    ]
    assert max(seen[0]) < min(seen[1]) <= max(seen[1]) < min(seen[2])


def test_task_toml_names_what_grades_hold(task: ModuleType, train: list[Instance]) -> None:
    spec = read_spec(FOLDER / "task.toml")
    found = task.grade(train[0], outcome(task, train[0], policy("s3_fifo"))).measures
    assert {measure.name for measure in spec.measures} <= set(found)


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_an_exported_policy_is_a_cache(path: Path) -> None:
    cache = module_of(FOLDER / "exported" / "cache.py")
    kept, draw = cache.PolicyCache(20, module_of(path).Policy), np.random.default_rng(0)
    for key in draw.zipf(1.2, 4000).tolist():
        name = f"page {key}"
        if name in kept:
            assert kept[name] == key
        else:
            kept[name] = key
        assert len(kept) <= 20
        assert name in kept
    assert len(list(kept)) == 20


def test_an_exported_decorator_counts_as_functools_does() -> None:
    cache = module_of(FOLDER / "exported" / "cache.py")
    calls: list[int] = []

    def square(x: int, power: int = 2) -> int:
        calls.append(x)
        return int(x**power)

    own = cache.policy_cache(policy("lru"), maxsize=8)(square)
    theirs = functools.lru_cache(8)(lambda x: x)
    for key in np.random.default_rng(1).integers(0, 16, 400).tolist():
        assert own(key) == key**2
        theirs(key)
    assert own.cache_info() == tuple(theirs.cache_info())
    assert own(3, power=3) == 27
    own.cache_clear()
    assert own.cache_info() == (0, 0, 8, 0)
    with pytest.raises(ValueError, match="maxsize is 0"):
        cache.PolicyCache(0, policy("lru"))
    with pytest.raises(TypeError, match="decides which item goes"):
        del cache.PolicyCache(1, policy("lru"))["a"]
