"""Bin packing: tables pack as real calls do, published numbers reproduce, nothing leaks."""

from __future__ import annotations

import importlib
import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from shipped import module_of

from evolve.spec import TaskSpec
from evolve.task import Instance, Invalid, Unusable

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "tasks" / "bin_packing"
PROGRAMS = sorted((FOLDER / "programs").glob("*.py"))
# These compare possible bins with each other: called with those that are there, they do otherwise.
COMPARING = ("funsearch_weibull", "trivial")
FEW = {"train_instances": 2, "valid_instances": 2, "test_instances": 1}


@pytest.fixture(scope="module")
def settings(spec: TaskSpec) -> SimpleNamespace:
    data = SimpleNamespace(path="", length=5000)
    return SimpleNamespace(**{**spec.settings, **FEW}, data=data)


@pytest.fixture(scope="module")
def short(task: ModuleType) -> Instance:
    """Five sequences of 300 items."""
    data = importlib.import_module("bin_packing.data")
    items = data.sequences(data.PUBLISHED, "short")[:, :300]
    return task.instance("short", items, 100, {})


def rule(name: str) -> Callable[..., Any]:
    scope: dict[str, Any] = {}
    exec((FOLDER / "programs" / f"{name}.py").read_text(encoding="utf-8"), scope)
    return scope["score"]


def table(harness: ModuleType, instance: Instance, name: str) -> np.ndarray:
    return harness.call(rule(name), instance.public, None)


def real_calls(score: Callable[..., Any], items: np.ndarray, capacity: int) -> np.ndarray:
    """Pack by calling the rule for every item with the bins that are there: the published loop."""
    bins = np.full(len(items), float(capacity))
    placed = []
    for item in items:
        room = np.flatnonzero(bins >= item)
        placed.append(room[np.argmax(score(np.float64(item), bins[room]))])
        bins[placed[-1]] -= item
    return np.array(placed)


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_a_table_packs_as_real_calls_do(
    task: ModuleType, harness: ModuleType, short: Instance, path: Path
) -> None:
    if path.stem in COMPARING:
        pytest.skip("compares possible bins with each other")
    used = [
        len(np.unique(real_calls(rule(path.stem), items, 100))) for items in short.private["items"]
    ]
    bound = short.private["bound"]
    grade = task.grade(short, table(harness, short, path.stem))
    assert grade.score == pytest.approx(-100 * (np.mean(used) - bound) / bound)


def test_both_ways_to_pack_count_the_same_bins(
    task: ModuleType, harness: ModuleType, short: Instance
) -> None:
    play = importlib.import_module("bin_packing.play")
    ranks = np.pad(table(harness, short, "funsearch_weibull"), ((1, 0), (1, 0)))
    assert not play.has_ties(ranks)
    bench = play._bench([ranks], [short.private["items"]])
    assert np.array_equal(play._by_counts(bench), play._by_order(bench))


def test_published_numbers_reproduce(
    task: ModuleType, harness: ModuleType, settings: SimpleNamespace
) -> None:
    printed = {
        "weibull_1k": {"first_fit": "5.151", "best_fit": "4.606"},
        "weibull_5k": {"first_fit": "4.375", "best_fit": "3.997"},
    }
    found = {each.groups["protocol"]: each for each in task.instances("published", settings)}
    assert set(found) == {"weibull_1k", "weibull_5k", "weibull_10k"}
    for protocol, numbers in printed.items():
        for name, number in numbers.items():
            each = found[protocol]
            grade = task.grade(each, table(harness, each, name))
            assert f"{task.published([each], [grade]):.3f}" == number


def test_used_bins_of_the_published_sequences(
    task: ModuleType, harness: ModuleType, settings: SimpleNamespace
) -> None:
    each = list(task.instances("published", settings))[1]
    assert each.private["bound"] == 2011.4
    assert task.grade(each, table(harness, each, "best_fit")).feedback.startswith("2091.8 bins")


def test_grades_are_equal_alone_and_together(
    task: ModuleType, harness: ModuleType, train: list[Instance], settings: SimpleNamespace
) -> None:
    mixed = [train[0], *list(task.instances("test", settings))[1:3], train[1]]
    names = ("eoh", "best_fit", "first_fit", "best_fit")
    tables = [table(harness, *pair) for pair in zip(mixed, names, strict=True)]
    together = task.grade_many(mixed, tables)
    assert [task.grade(*pair) for pair in zip(mixed, tables, strict=True)] == together


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda t: t[:, 1:], "shape"),
        (lambda t: t.astype(float), "whole numbers"),
        (lambda t: t - 1, "ranks from 1"),
        (lambda t: np.ones_like(t), "ranks from 1"),
        (lambda t: t * 1000, "ranks from 1"),
        (lambda t: None, "table of whole numbers"),
        (lambda t: [[1], [1, 2]], "no table"),
    ],
)
def test_what_is_no_table_is_refused_with_a_reason(
    task: ModuleType,
    harness: ModuleType,
    short: Instance,
    change: Callable[[np.ndarray], Any],
    says: str,
) -> None:
    with pytest.raises(Invalid, match=says):
        task.grade(short, change(table(harness, short, "best_fit")))


@pytest.mark.parametrize(
    ("score", "says"),
    [
        (lambda item, bins: bins[1:], "one score per bin"),
        (lambda item, bins: 0.0, "one score per bin"),
        (lambda item, bins: np.full(len(bins), np.nan), "not a number"),
        (lambda item, bins: np.random.default_rng().random(len(bins)), "asked for again"),
    ],
)
def test_rules_that_are_no_table_are_told_why(
    harness: ModuleType, short: Instance, score: Callable[..., Any], says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        harness.call(score, short.public, None)


def test_a_rule_that_counts_its_calls_is_refused(harness: ModuleType, short: Instance) -> None:
    calls: list[float] = []

    def counting(item: float, bins: np.ndarray) -> np.ndarray:
        calls.append(item)
        return bins * (1 if len(calls) < 150 else -1)

    with pytest.raises(ValueError, match="asked for again"):
        harness.call(counting, short.public, None)


def test_no_item_is_public(
    task: ModuleType, settings: SimpleNamespace, train: list[Instance]
) -> None:
    """What a rule is asked is the same whatever the items are."""
    for each in (*train, *task.instances("valid", settings, block=3)):
        assert np.array_equal(each.public["sizes"], np.arange(1, 101))
        assert np.array_equal(each.public["bins"], np.arange(1, 101))
        assert set(each.public) == {"sizes", "bins"}


def test_splits_and_blocks_give_other_items(task: ModuleType, settings: SimpleNamespace) -> None:
    firsts = [
        next(iter(task.instances(split, settings, block=block)))
        for split, block in (("train", 0), ("valid", 0), ("valid", 1), ("test", 0), ("test", 9))
    ]
    assert len({each.name for each in firsts}) == len(firsts)
    assert len({each.private["items"].tobytes() for each in firsts}) == len(firsts)


def test_items_are_drawn_as_the_page_says(task: ModuleType, settings: SimpleNamespace) -> None:
    kinds = {each.groups["kind"]: each for each in task.instances("test", settings)}
    assert len(kinds) == 6
    for kind, each in kinds.items():
        items, capacity = each.private["items"], each.public["bins"][-1]
        assert items.min() >= 1, kind
        assert items.max() <= capacity, kind
    assert kinds["uniform"].private["items"].min() == 20
    assert kinds["weibull 5k"].private["items"].mean() == pytest.approx(45 * 0.893, rel=0.01)


def test_probes_ask_enough_and_in_one_call_first(
    task: ModuleType, settings: SimpleNamespace
) -> None:
    probes = list(task.instances("probe", settings))
    asked = [(each.public["bins"] >= each.public["sizes"][:, None]).sum() for each in probes]
    assert sum(asked) >= 4096
    assert len(probes[0].public["sizes"]) == 1


def test_programs_differ_on_the_probes(
    task: ModuleType, harness: ModuleType, settings: SimpleNamespace
) -> None:
    probes = list(task.instances("probe", settings))
    tables = {
        tuple(table(harness, each, path.stem).tobytes() for each in probes) for path in PROGRAMS
    }
    assert len(tables) == len(PROGRAMS)


def test_monotone_maps_of_a_score_are_the_same_rule(harness: ModuleType, short: Instance) -> None:
    plain = harness.call(lambda item, bins: -bins, short.public, None)
    curved = harness.call(lambda item, bins: np.exp(-bins / 9), short.public, None)
    assert np.array_equal(plain, curved)


def test_blocks_give_what_they_declare(spec: TaskSpec) -> None:
    for block in spec.block:
        scope: dict[str, Any] = {}
        exec(block.source, scope)
        for item in (1.0, 39.0, 100.0):
            bins = np.arange(item, 101.0)
            value = np.asarray(scope[block.name](np.float64(item), bins))
            assert value.shape == bins.shape, block.name
            assert value.dtype.kind == ("b" if block.gives == "mask" else "f"), block.name
            assert np.isfinite(value).all(), block.name


def control(name: str, instance: Instance) -> Any:
    scope: dict[str, Any] = {}
    exec((FOLDER / "controls" / f"{name}.py").read_text(encoding="utf-8"), scope)
    return scope["score"](**instance.public, private=instance.private)


def test_knowing_all_items_uses_fewer_bins(
    task: ModuleType, harness: ModuleType, short: Instance
) -> None:
    offline = task.grade(short, control("offline_best_fit", short))
    assert offline.score > task.grade(short, table(harness, short, "eoh")).score


def test_funsearchs_rule_by_real_calls_is_the_published_loop(short: Instance) -> None:
    used = control("funsearch_real_calls", short)["used"]
    rule_of_bins = rule("funsearch_weibull")
    plain = [
        len(np.unique(real_calls(rule_of_bins, items, 100))) for items in short.private["items"]
    ]
    assert used.tolist() == plain


def test_nobody_but_a_control_counts_for_itself(task: ModuleType, short: Instance) -> None:
    claim = {"items": short.private["items"].copy(), "used": np.ones(5)}
    with pytest.raises(Invalid, match="whole numbers"):
        task.grade(short, claim)


def test_the_packer_does_what_was_graded(
    task: ModuleType, harness: ModuleType, short: Instance
) -> None:
    packer = module_of(FOLDER / "exported" / "packer.py").Packer
    for name in ("eoh", "first_fit", "trivial"):
        used = []
        for items in short.private["items"]:
            stream = packer(rule(name), capacity=100)
            numbers = [stream.place(int(item)) for item in items]
            assert max(stream.loads) <= 100
            assert sum(stream.loads) == items.sum()
            used.append(max(numbers) + 1)
        bound = short.private["bound"]
        grade = task.grade(short, table(harness, short, name))
        assert grade.score == pytest.approx(-100 * (np.mean(used) - bound) / bound)


def test_the_packer_takes_sizes_of_any_unit() -> None:
    packer = module_of(FOLDER / "exported" / "packer.py").Packer
    stream = packer(rule("best_fit"), capacity=2.5)
    sizes = np.random.default_rng(0).uniform(0.01, 2.5, 200)
    for size in sizes:
        stream.place(size)
    assert max(stream.loads) <= 2.5
    with pytest.raises(ValueError, match=r"up to 2\.5"):
        stream.place(2.6)
    with pytest.raises(ValueError, match="above 0"):
        stream.place(0)


def own_file(folder: Path, **changes: Any) -> str:
    sizes = np.random.default_rng(0).choice([2, 3, 17, 40], size=(3, 500))
    values = {"capacity": 60, "sequences": sizes.tolist(), **changes}
    path = folder / "own.json"
    path.write_text(json.dumps(values), encoding="utf-8")
    return str(path)


def test_sequences_of_ones_own_are_cut_by_time(
    task: ModuleType, harness: ModuleType, settings: SimpleNamespace, tmp_path: Path
) -> None:
    whole = [list(range(1, 101)), list(range(1, 101))]
    path = own_file(tmp_path, capacity=100, sequences=whole)
    own = SimpleNamespace(**{**vars(settings), "data": SimpleNamespace(path=path, length=5000)})
    parts = {split: next(iter(task.instances(split, own))) for split in ("train", "valid", "test")}
    spans = {split: each.private["items"] for split, each in parts.items()}
    assert spans["train"].min() >= 1
    assert spans["train"].max() <= 60 < spans["valid"].min()
    assert spans["valid"].max() <= 80 < spans["test"].min()
    assert len(list(task.instances("test", own))) == own.test_instances
    importlib.import_module("bin_packing.own").read.cache_clear()


def test_a_rule_is_asked_only_for_sizes_that_occur(
    task: ModuleType, harness: ModuleType, settings: SimpleNamespace, tmp_path: Path
) -> None:
    data = SimpleNamespace(path=own_file(tmp_path), length=80)
    own = SimpleNamespace(**{**vars(settings), "data": data})
    each = list(task.instances("valid", own, block=2))[1]
    assert each.public["sizes"].tolist() == [2, 3, 17, 40]
    assert each.private["items"].shape == (5, 80)
    used = [
        len(np.unique(real_calls(rule("best_fit"), items, 60))) for items in each.private["items"]
    ]
    bound = each.private["bound"]
    grade = task.grade(each, table(harness, each, "best_fit"))
    assert grade.score == pytest.approx(-100 * (np.mean(used) - bound) / bound)
    probes = list(task.instances("probe", own))
    assert np.array_equal(probes[-1].public["sizes"], each.public["sizes"])
    importlib.import_module("bin_packing.own").read.cache_clear()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"capacity": 0}, "whole number from 1 to 1000"),
        ({"capacity": 5000}, "scale sizes"),
        ({"capacity": 2.5}, "whole number"),
        ({"sequences": []}, "at least one"),
        ({"sequences": 3}, "list of lists"),
        ({"sequences": [[1] * 20]}, r"sequences\[0\]: give a list of at least 100"),
        ({"sequences": [[1] * 200, [1] * 150 + [61]]}, r"sequences\[1\]\[150\] is 61"),
        ({"sequences": [[1.5] * 200]}, r"\[0\]\[0\] is 1\.5"),
        ({"extra": 1}, "give {"),
    ],
)
def test_a_file_that_is_wrong_is_told_where(
    task: ModuleType,
    settings: SimpleNamespace,
    tmp_path: Path,
    changes: dict[str, Any],
    says: str,
) -> None:
    data = SimpleNamespace(path=own_file(tmp_path, **changes), length=80)
    own = SimpleNamespace(**{**vars(settings), "data": data})
    with pytest.raises(Unusable, match=says):
        next(iter(task.instances("train", own)))


def test_a_file_that_is_no_json_is_told(
    task: ModuleType, settings: SimpleNamespace, tmp_path: Path
) -> None:
    (tmp_path / "own.json").write_text("37, 5, 88", encoding="utf-8")
    data = SimpleNamespace(path=str(tmp_path / "own.json"), length=80)
    own = SimpleNamespace(**{**vars(settings), "data": data})
    with pytest.raises(Unusable, match="not JSON"):
        next(iter(task.instances("train", own)))
