"""data_selection: its grader repeats itself, its secrets stay secret, its programs are answers."""

from __future__ import annotations

import ast
import hashlib
import importlib
import json
import re
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from evolve.grading import namespace
from evolve.spec import TaskSpec
from evolve.task import Instance, Invalid

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.usefixtures("own_cache", "one_thread")
FOLDER = ROOT / "tasks" / "data_selection"
PROGRAMS = sorted((FOLDER / "programs").glob("*.py"))
# Fewer pools than shipped, of the shipped size: a pool does not depend on how many there are.
FEW = {"train_pools": 3, "valid_pools": 1, "test_pools": 1}


@pytest.fixture(scope="module")
def settings(spec: TaskSpec) -> SimpleNamespace:
    return namespace({**spec.settings, **FEW})


@pytest.fixture(scope="module")
def probes(task: ModuleType, settings: SimpleNamespace) -> list[Instance]:
    return list(task.instances("probe", settings))


def run(path: Path, instance: Instance) -> np.ndarray:
    scope: dict[str, Any] = {}
    exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), scope)
    return np.asarray(scope["select"](**instance.public, rng=np.random.default_rng(7)))


def random_choices(instances: list[Instance]) -> list[np.ndarray]:
    return [run(FOLDER / "programs" / "trivial.py", instance) for instance in instances]


def test_grades_are_equal_to_the_bit_alone_halved_and_together(
    task: ModuleType, train: list[Instance]
) -> None:
    choices = random_choices(train)
    together = task.grade_many(train, choices)
    assert [task.grade(*pair) for pair in zip(train, choices, strict=True)] == together
    half = len(train) // 2
    assert (
        task.grade_many(train[half:], choices[half:])
        + task.grade_many(train[:half], choices[:half])
    ) == together[half:] + together[:half]


def test_weights_do_not_depend_on_the_nets_beside_them(task: ModuleType) -> None:
    training = importlib.import_module("data_selection.training")
    draw = np.random.default_rng(0)
    recipe = training.Recipe(steps=60)
    images = torch.from_numpy(draw.random((200, 64), dtype=np.float32))
    targets = torch.eye(10)[torch.from_numpy(draw.integers(0, 10, 200))]
    order = draw.integers(0, 200, (35, recipe.steps, recipe.batch))
    start = np.stack([training.initial(draw, 64, 10, recipe.hidden) for _ in range(35)])

    def weights(rows: list[int]) -> torch.Tensor:
        found: list[torch.Tensor] = []

        def keep(step: int, which: slice, nets: Any) -> None:
            parts = nets.w1, nets.b1, nets.w2, nets.b2
            found.append(torch.cat([part.flatten(1) for part in parts], dim=1))

        last = frozenset([recipe.steps])
        training.train(images, targets, order[rows], start[rows], recipe, keep, last)
        return torch.cat(found)

    everything = weights(list(range(35)))
    for rows in ([0], [34], [3, 20], list(range(5, 12)), list(range(17)), [9, 2, 30]):
        assert torch.equal(weights(rows), everything[rows])


def test_the_written_out_gradient_is_that_of_automatic_differentiation(task: ModuleType) -> None:
    training = importlib.import_module("data_selection.training")
    draw = np.random.default_rng(1)
    recipe = training.Recipe(batch=16, hidden=5)
    images = torch.from_numpy(draw.random((40, 7), dtype=np.float32))
    labels = torch.from_numpy(draw.integers(0, 3, 40))
    rows = draw.integers(0, 40, (2, recipe.steps, recipe.batch))
    start = np.stack([training.initial(draw, 7, 3, 5) for _ in range(2)])
    bench = training._Bench(images, torch.eye(3)[labels], rows, start, recipe)
    with torch.no_grad():
        bench._gradients(bench.order[0])
    for net in range(2):
        w1, b1, w2, b2 = (
            part[net].clone().requires_grad_()
            for part in (bench.nets.w1, bench.nets.b1, bench.nets.w2, bench.nets.b2)
        )
        batch = torch.from_numpy(rows[net, 0])
        said = torch.relu(images[batch] @ w1 + b1) @ w2.T + b2.T
        torch.nn.functional.cross_entropy(said, labels[batch]).backward()
        for own, slope in zip((w1, b1, w2, b2), vars(bench.slopes).values(), strict=True):
            torch.testing.assert_close(slope[net], own.grad)


def test_the_order_of_a_choice_does_not_matter(task: ModuleType, train: list[Instance]) -> None:
    choice = random_choices(train[:1])[0]
    assert task.grade(train[0], choice) == task.grade(train[0], choice[::-1].tolist())


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda k, n: [], "at least one"),
        (lambda k, n: [0, 1, 1], "repeated"),
        (lambda k, n: [-1, 2], "stay in 0 to"),
        (lambda k, n: [0, n], "stay in 0 to"),
        (lambda k, n: np.arange(k + 1), "at most k"),
        (lambda k, n: np.arange(n), "at most k"),
        (lambda k, n: [0.0, 1.0], "return integers"),
        (lambda k, n: np.ones(k, dtype=bool), "return integers"),
        (lambda k, n: np.arange(4).reshape(2, 2), "return one list"),
        (lambda k, n: [[0, 1], [2]], "no array"),
        (lambda k, n: 3, "return one list"),
        (lambda k, n: None, "return one list"),
        (lambda k, n: {"rows": [1]}, "return one list"),
        (lambda k, n: ["1", "2"], "return integers"),
    ],
)
def test_what_is_no_choice_is_refused_with_a_reason(
    task: ModuleType, train: list[Instance], make: Callable[[int, int], Any], says: str
) -> None:
    instance = train[0]
    with pytest.raises(Invalid, match=says):
        task.grade(instance, make(instance.public["k"], len(instance.public["pool"]["y"])))


def test_fewer_than_k_are_a_choice(task: ModuleType, train: list[Instance]) -> None:
    assert 0 <= task.grade(train[0], [5]).score <= 1


@pytest.fixture(scope="module")
def chosen(probes: list[Instance]) -> dict[str, list[np.ndarray]]:
    """What every program chooses on every probe; a warning of numpy is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return {path.stem: [run(path, instance) for instance in probes] for path in PROGRAMS}


def test_programs_choose_k_on_every_probe(
    chosen: dict[str, list[np.ndarray]], probes: list[Instance]
) -> None:
    for name, choices in chosen.items():
        for instance, choice in zip(probes, choices, strict=True):
            size, k = len(instance.public["pool"]["y"]), instance.public["k"]
            place = f"{name} on {instance.name}"
            assert len(set(choice.tolist())) == len(choice) == min(k, size), place
            assert choice.min() >= 0, place
            assert choice.max() < size, place


def test_programs_differ_on_the_probes(chosen: dict[str, list[np.ndarray]]) -> None:
    behaviours = {tuple(frozenset(choice.tolist()) for choice in each) for each in chosen.values()}
    assert len(behaviours) == len(PROGRAMS)


def test_programs_cite_a_paper_and_the_year_of_it() -> None:
    for path in PROGRAMS:
        text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        cites = "Source" in text and re.search(r"\b(19|20)\d\d\b", text)
        assert cites or path.stem == "trivial", path.stem


def test_choices_differ_in_place_on_the_grid(
    task: ModuleType, train: list[Instance], spec: TaskSpec
) -> None:
    """The published programs spread over the map: redundant and not, easy and hard."""
    places = {}
    for name in ("dpp", "k_center", "quadmix", "small_loss", "vog"):
        choice = run(FOLDER / "programs" / f"{name}.py", train[1])
        measures = task.composition(train[1].private, np.sort(choice))
        places[name] = tuple(
            int((measures[m.name] - m.range[0]) / (m.range[1] - m.range[0]) * m.bins)
            for m in spec.measures
        )
    assert len(set(places.values())) == len(places)


def test_blocks_give_what_they_declare(spec: TaskSpec, probes: list[Instance]) -> None:
    for block in spec.block:
        scope: dict[str, Any] = {}
        exec(block.source, scope)
        function = scope[block.name]
        wanted = function.__code__.co_varnames[: function.__code__.co_argcount]
        for instance in probes:
            pool, k = instance.public["pool"], instance.public["k"]
            size = len(pool["y"])
            offered = {"pool": pool, "k": k, "rng": np.random.default_rng(3)}
            offered["w"] = -pool["grad_norm"]
            value = np.asarray(function(**{name: offered[name] for name in wanted}))
            place = f"{block.name} on {instance.name}"
            if block.gives == "select":
                assert len(set(value.tolist())) == len(value) == min(k, size), place
            else:
                kind = "b" if block.gives == "mask" else "f"
                dimensions = 2 if block.gives == "view" else 1
                assert (value.dtype.kind, value.ndim, len(value)) == (kind, dimensions, size), place
                assert np.isfinite(value).all(), place


def test_no_two_dimensions_of_the_first_probe_are_equal(
    spec: TaskSpec, probes: list[Instance]
) -> None:
    sizes = []
    for path in spec.dims.values():
        place, _, axis = path.partition("[")
        value: Any = probes[0].public
        for key in place.split("."):
            value = value[key]
        sizes.append(value.shape[int(axis.rstrip("]"))] if axis else value)
    assert len(set(sizes)) == len(sizes)


def test_probes_show_enough_items(probes: list[Instance]) -> None:
    assert sum(len(instance.public["pool"]["y"]) for instance in probes) >= 4096


def test_budgets_of_a_pool_share_their_arrays(train: list[Instance]) -> None:
    first, second = train[0].public["pool"], train[1].public["pool"]
    assert first["X"] is second["X"]
    assert first["probs"] is second["probs"]
    assert train[0].private["images"] is train[1].private["images"]


def test_no_array_of_the_answers_is_public(train: list[Instance]) -> None:
    hidden = [train[0].private[key] for key in ("truth", "group", "images", "difficulty")]
    hidden += list(train[0].private["evaluation"])
    for value in train[0].public["pool"].values():
        for secret in hidden:
            assert not np.array_equal(
                np.asarray(value, dtype=float), np.asarray(secret, dtype=float)
            )


def test_pools_cannot_be_looked_up_among_the_digits(
    task: ModuleType, train: list[Instance]
) -> None:
    known, labels = task.digits().pool
    pool, truth = train[0].public["pool"], train[0].private["truth"]

    def found(views: np.ndarray) -> float:
        views = views / (np.linalg.norm(views, axis=1, keepdims=True) + 1e-9)
        own = known / np.linalg.norm(known, axis=1, keepdims=True)
        nearest = labels[(views @ own.T).argmax(1)]
        return float((nearest == truth)[truth >= 0].mean())

    assert found(train[0].private["images"]) > 0.95
    assert found(pool["X"]) < 0.3
    assert found(np.abs(pool["X"])) < 0.3


def test_images_that_grade_are_never_in_a_pool(task: ModuleType, settings: SimpleNamespace) -> None:
    digits = task.digits()
    parts = [
        {image.tobytes() for image in part[0]} for part in (digits.pool, digits.valid, digits.test)
    ]
    assert [len(part) for part in parts] == [900, 400, 497]
    assert not parts[0] & parts[1]
    assert not parts[2] & (parts[0] | parts[1])
    for split, other in (("valid", 1), ("test", 2)):
        instance = next(iter(task.instances(split, settings)))
        assert {image.tobytes() for image in instance.private["evaluation"][0]} == parts[other]


def test_splits_and_blocks_give_other_pools(task: ModuleType, settings: SimpleNamespace) -> None:
    firsts = [
        next(iter(task.instances(split, settings, block=block)))
        for split, block in (("train", 0), ("valid", 0), ("valid", 1), ("test", 0))
    ]
    assert len({instance.name for instance in firsts}) == len(firsts)
    assert len({instance.private["images"].tobytes() for instance in firsts}) == len(firsts)


def test_a_pool_does_not_depend_on_how_many_there_are(
    task: ModuleType, settings: SimpleNamespace, train: list[Instance]
) -> None:
    alone = list(task.instances("train", SimpleNamespace(**{**vars(settings), "train_pools": 1})))
    for key, array in alone[0].public["pool"].items():
        assert np.array_equal(array, train[0].public["pool"][key]), key


def test_regimes_are_as_dirty_as_they_say(task: ModuleType, train: list[Instance]) -> None:
    pools = importlib.import_module("data_selection.pools")
    for regime in pools.REGIMES.values():
        pool = pools.draw_pool(f"dirt-{regime.name}", 2000, regime, task.digits())
        strange = pool.truth == pools.OUT_OF_DISTRIBUTION
        wrong = (pool.truth != pool.labels) & ~strange
        assert strange.mean() == pytest.approx(regime.ood, abs=0.001)
        # A label drawn from all classes is now and then the right one.
        assert wrong.sum() / (~strange).sum() == pytest.approx(0.95 * regime.noise, abs=0.03)
        held = {image.tobytes() for image in pool.trusted}
        assert not held & {image.tobytes() for image in pool.images}


def test_another_process_gives_the_same_instances(train: list[Instance], tmp_path: Path) -> None:
    program = (
        "import hashlib, importlib, sys, torch\n"
        "from types import SimpleNamespace\n"
        "torch.set_num_threads(1)\n"
        f"sys.path.insert(0, {str(FOLDER.parent)!r})\n"
        f"task = importlib.import_module({FOLDER.name + '.task'!r})\n"
        "settings = SimpleNamespace(train_pools=1, pool_size=2000, initialisations=2, device='cpu',"
        " data=SimpleNamespace(path='', dirt=True))\n"
        "first = next(iter(task.instances('train', settings)))\n"
        "for key, value in sorted(first.public['pool'].items()):\n"
        "    if hasattr(value, 'tobytes'):\n"
        "        print(key, hashlib.sha256(value.tobytes()).hexdigest())\n"
        "print(task.grade(first, list(range(100))).score)\n"
    )
    said = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(tmp_path), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=600,
        check=True,
    ).stdout.splitlines()
    task = importlib.import_module(f"{FOLDER.name}.task")
    own = [
        f"{key} {hashlib.sha256(value.tobytes()).hexdigest()}"
        for key, value in sorted(train[0].public["pool"].items())
        if hasattr(value, "tobytes")
    ]
    assert said == [*own, str(task.grade(train[0], list(range(100))).score)]


def test_controls_know_more_than_programs(task: ModuleType, train: list[Instance]) -> None:
    def score(name: str) -> float:
        scope: dict[str, Any] = {}
        path = FOLDER / "controls" / f"{name}.py"
        exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), scope)
        draw = np.random.default_rng(0)
        choices = [scope["select"](**i.public, rng=draw, private=i.private) for i in train]
        return float(np.mean([grade.score for grade in task.grade_many(train, choices)]))

    random = np.mean([grade.score for grade in task.grade_many(train, random_choices(train))])
    assert score("oracle") > score("filter_k_center") > random
    assert score("full_pool") > random
    assert score("soft_random") > random


def test_only_the_private_array_itself_asks_for_soft_labels(
    task: ModuleType, train: list[Instance]
) -> None:
    instance, rows = train[0], random_choices(train[:1])[0]
    soft = instance.private["soft_labels"]
    np.testing.assert_allclose(soft, instance.public["pool"]["probs"][:, -1].mean(0), atol=1e-6)
    np.testing.assert_allclose(soft.sum(1), 1, atol=1e-5)
    asked = {"rows": rows, "labels": soft}
    hard, softly = task.grade(instance, rows), task.grade(instance, asked)
    assert (hard.measures, hard.score) != (softly.measures, softly.score)
    assert task.grade_many(train[:2], [asked, [3]])[0] == softly
    with pytest.raises(Invalid, match="return one list"):
        task.grade(instance, {"rows": rows, "labels": soft.copy()})


def test_published_numbers_come_out_again(task: ModuleType, spec: TaskSpec) -> None:
    """A fast part of `python -m evolve.baselines`: programs that draw nothing, on all of `train`."""
    kept = json.loads((FOLDER / "baselines.json").read_text(encoding="utf-8"))["programs"]
    instances = list(task.instances("train", namespace(spec.settings)))
    for name in ("d3_like", "aum_balanced", "small_loss"):
        path = FOLDER / "programs" / f"{name}.py"
        grades = task.grade_many(instances, [run(path, instance) for instance in instances])
        mean = np.mean([grade.score for grade in grades])
        # Another CPU rounds otherwise, and a few images in a thousand fall on the other side.
        assert mean == pytest.approx(kept[name]["train"]["score"], abs=0.004), name


def test_feedback_says_what_was_chosen(task: ModuleType, train: list[Instance]) -> None:
    truth, labels = train[0].private["truth"], train[0].private["labels"]
    wrong = np.flatnonzero((truth != labels) & (truth >= 0))[:50]
    grade = task.grade(train[0], wrong)
    assert "100% wrong labels, 0% out of distribution" in grade.feedback
    assert grade.measures["wrong"] == 1
    assert grade.measures["recall"] == 0


def test_groups_name_regime_and_budget(train: list[Instance]) -> None:
    assert [instance.groups["regime"] for instance in train[::3]] == [
        "default",
        "hard",
        "imbalance",
    ]
    assert [instance.name for instance in train[:3]] == [
        "train-0-0-5%",
        "train-0-0-10%",
        "train-0-0-20%",
    ]
