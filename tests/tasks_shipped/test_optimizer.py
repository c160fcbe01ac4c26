"""optimizer: nets train outside the wall, gradients are right, and a rule is a torch optimizer."""

from __future__ import annotations

import copy
import importlib
import importlib.util
import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from shipped import module_of

from evolve.spec import Block, read_spec
from evolve.task import Instance, Invalid, Unusable

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "tasks" / "optimizer"
PROGRAMS = sorted((FOLDER / "programs").glob("*.py"))
SETTINGS = SimpleNamespace(
    train_problems=4,
    valid_problems=4,
    test_problems=5,
    initialisations=1,
    steps=40,
    batch=32,
    data=SimpleNamespace(path=""),
)


@pytest.fixture(scope="module")
def train(task: ModuleType) -> list[Instance]:
    return list(task.instances("train", SETTINGS))


HARNESS = module_of(FOLDER / "harness.py")


def rule(name: str) -> Callable[..., Any]:
    found: Callable[..., Any] = module_of(FOLDER / "programs" / f"{name}.py").update
    return found


def outcome(task: ModuleType, instance: Instance, update: Callable[..., Any]) -> dict[str, Any]:
    """Train with the harness as behind the wall."""
    answer, items = HARNESS.call(update, instance.public, None), task.feed(instance)
    item = next(items)
    while True:
        try:
            item = items.send(answer(**item))
        except StopIteration as end:
            found: dict[str, Any] = end.value
            return found


def test_gradients_are_those_of_automatic_differentiation(task: ModuleType) -> None:
    nets, problems = (importlib.import_module(f"optimizer.{name}") for name in ("nets", "problems"))
    draw = np.random.default_rng(0)
    each = [problems.start((5, 4, 3, 2), draw) for _ in range(3)]
    tensors = [np.stack(parts) for parts in zip(*each, strict=True)]
    x = draw.standard_normal((3, 7, 5)).astype(np.float32)
    y = draw.integers(0, 2, (3, 7))
    slopes = nets.gradients(tensors, x, y)
    for net in range(3):
        parts = [torch.tensor(tensor[net], requires_grad=True) for tensor in tensors]
        said = torch.from_numpy(x[net])
        for number in range(0, len(parts), 2):
            said = said @ parts[number] + parts[number + 1]
            said = torch.relu(said) if number + 2 < len(parts) else said
        loss = torch.nn.functional.cross_entropy(said, torch.from_numpy(y[net]))
        loss.backward()
        for slope, part in zip(slopes, parts, strict=True):
            torch.testing.assert_close(torch.from_numpy(slope[net]), part.grad)
        own = nets.losses([tensor[net : net + 1] for tensor in tensors], x[net], y[net])
        assert own[0] == pytest.approx(loss.item(), rel=1e-5)


def test_the_harness_keeps_the_weights_that_a_net_at_multiplier_1_has(
    task: ModuleType, train: list[Instance]
) -> None:
    nets = importlib.import_module("optimizer.nets")
    draw = np.random.default_rng(1)
    tensor = draw.standard_normal((3, 4, 5)).astype(np.float32)
    delta = (draw.standard_normal((3, 4, 5)) * 1e3).astype(np.float32)
    delta[0, 0, 0], delta[1, 1, 1] = np.nan, np.inf
    own = nets.moved(tensor, delta, np.ones(3, dtype=np.float32))
    theirs = HARNESS.moved(tensor, delta)
    assert own.tobytes() == theirs.tobytes()
    assert np.isfinite(own).all()
    assert own.dtype == np.float32


def test_what_a_rule_sees_of_its_weights_is_what_was_trained(
    task: ModuleType, train: list[Instance]
) -> None:
    seen: list[np.ndarray] = []

    def update(g: np.ndarray, state: dict[str, Any], t: int, T: int, p: np.ndarray) -> np.ndarray:
        if t == T and p.ndim == 2:
            seen.append(p)
        return 0.1 * g

    first = outcome(task, train[3], update)
    assert outcome(task, train[3], rule("trivial")).keys() == first.keys()
    assert not np.array_equal(seen[0], train[3].public["start"][0][0])


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_rules_learn(path: Path, task: ModuleType, train: list[Instance]) -> None:
    wine = train[3]
    table = outcome(task, wine, rule(path.stem))["losses"]
    assert table.shape == (3, 10)
    assert table[1, -1] < table[1, 0]
    assert table.max() <= 3.0


def test_grades_repeat_themselves_and_lie_within_the_ranges(
    task: ModuleType, train: list[Instance]
) -> None:
    spec = read_spec(FOLDER / "task.toml")
    for name in ("lion", "adam", "sgd"):
        first = task.grade(train[2], outcome(task, train[2], rule(name)))
        assert first == task.grade(train[2], outcome(task, train[2], rule(name)))
        for measure in spec.measures:
            assert measure.range[0] <= first.measures[measure.name] <= measure.range[1]


def test_signs_and_momentum_are_told_apart(task: ModuleType, train: list[Instance]) -> None:
    found = {
        name: task.grade(train[0], outcome(task, train[0], rule(name))).measures
        for name in ("signsgd", "signum", "sgd", "momentum")
    }
    assert found["signsgd"]["sign"] > 0.9 > found["sgd"]["sign"]
    assert found["signum"]["half_life"] > found["signsgd"]["half_life"] + 1
    assert found["momentum"]["half_life"] > found["sgd"]["half_life"] + 1


def test_a_rule_that_runs_away_scores_badly_and_breaks_nothing(
    task: ModuleType, train: list[Instance]
) -> None:
    for value in (1e30, np.nan, -np.inf):

        def update(g: Any, state: Any, t: int, T: int, p: Any, value: float = value) -> Any:
            return np.full_like(p, value)

        graded = task.grade(train[3], outcome(task, train[3], update))
        assert -3.0 <= graded.score < -0.5
        assert all(np.isfinite(value) for value in graded.measures.values())


@pytest.mark.parametrize(
    ("give", "says"),
    [
        (lambda g: g[:1], "the delta has shape"),
        (lambda g: None, "the delta has shape"),
        (lambda g: np.full(g.shape, "x"), "give numbers"),
        (lambda g: g + 1j, "give numbers"),
    ],
)
def test_what_is_no_delta_is_refused_with_a_reason(
    give: Callable[[np.ndarray], Any], says: str, task: ModuleType, train: list[Instance]
) -> None:
    with pytest.raises(ValueError, match=says):
        outcome(task, train[0], lambda g, state, t, T, p: give(g))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda deltas: deltas[:-1], "arrays of deltas are expected"),
        (lambda deltas: None, "arrays of deltas are expected"),
        (lambda deltas: [delta[:1] for delta in deltas], "a delta has shape"),
        (lambda deltas: [delta.astype(np.float64) for delta in deltas], "no array of float32"),
        (lambda deltas: [delta.tolist() for delta in deltas], "no array of float32"),
    ],
)
def test_answers_that_were_tampered_with_are_refused(
    change: Callable[[Any], Any], says: str, task: ModuleType, train: list[Instance]
) -> None:
    items = task.feed(train[0])
    item = next(items)
    with pytest.raises(Invalid, match=says):
        items.send(change([np.zeros_like(slope) for slope in item["gradients"]]))


def test_neither_rows_nor_labels_are_ever_told(task: ModuleType, train: list[Instance]) -> None:
    for instance in train:
        assert set(instance.public) == {"start", "T"}
        assert set(next(task.feed(instance))) == {"t", "gradients"}


def test_nets_of_all_multipliers_begin_alike_and_meet_the_same_batches(
    train: list[Instance],
) -> None:
    for tensor in train[0].public["start"]:
        assert np.array_equal(tensor[0], tensor[1])
        assert np.array_equal(tensor[0], tensor[2])
    batches = train[0].private["batches"]
    assert np.array_equal(batches[:, 0], batches[:, 2])


def test_rows_that_measure_train_nothing(task: ModuleType, train: list[Instance]) -> None:
    problem = train[0].private["problem"]
    trained = {row.tobytes() for row in problem.x}
    assert not trained & {row.tobytes() for row in problem.measure_x}


def test_splits_and_blocks_give_other_problems(task: ModuleType) -> None:
    firsts = [
        next(iter(task.instances(split, SETTINGS, block)))
        for split, block in (("train", 0), ("valid", 0), ("valid", 1), ("test", 0))
    ]
    assert len({each.name for each in firsts}) == 4
    assert len({each.private["problem"].x.tobytes() for each in firsts}) == 4


def test_the_hidden_test_has_other_data_and_widths(task: ModuleType, train: list[Instance]) -> None:
    hidden = list(task.instances("test", SETTINGS))
    layers = [each.private["problem"].layers for each in hidden]
    assert layers == [(64, 128, 10), (64, 16, 10), (64, 24, 24, 2), (10, 48, 3), (8, 32, 32, 3)]
    assert not {each.groups["data"] for each in hidden} & {each.groups["data"] for each in train}


def test_labels_are_as_noisy_as_they_say(task: ModuleType) -> None:
    problems = importlib.import_module("optimizer.problems")
    clean = problems.draw_problem("a", problems.Kind("", "digits", (8,)))
    noisy = problems.draw_problem("a", problems.Kind("", "digits", (8,), 0.2))
    assert np.array_equal(clean.x, noisy.x)
    assert np.array_equal(clean.measure_y, noisy.measure_y)
    assert (clean.y != noisy.y).mean() == pytest.approx(0.18, abs=0.05)


def test_rules_differ_on_the_probes(task: ModuleType) -> None:
    probes = list(task.instances("probe", SETTINGS))
    seen = {
        path.stem: tuple(
            outcome(task, each, rule(path.stem))["losses"].tobytes() for each in probes
        )
        for path in PROGRAMS
    }
    assert len(set(seen.values())) == len(PROGRAMS)


def own_files() -> Iterator[tuple[str, dict[str, np.ndarray], str]]:
    """Give (name, arrays, what is said) of files that are refused, and of one, `fine`, that is not."""
    draw = np.random.default_rng(0)
    x, y = draw.normal(size=(90, 4)), np.arange(90) % 3
    hole = x.copy()
    hole[7, 2] = np.nan
    yield "fine", {"X": x, "y": np.array(["a", "b", "c"])[y]}, ""
    yield "lacks", {"X": x}, "holds no y"
    yield "more", {"X": x, "y": y, "z": y}, "'z', which nothing reads"
    yield "short", {"X": x[:9], "y": y[:9]}, "X has 9 rows: give at least 60"
    yield "apart", {"X": x, "y": y[:80]}, "X has 90 rows, y 80 labels"
    yield "narrow", {"X": x[:, :0], "y": y}, "X has 0 features"
    yield "cubes", {"X": x.reshape(90, 2, 2), "y": y}, "flatten each example"
    yield "complex", {"X": x + 1j, "y": y}, "X holds complex128"
    yield "texts", {"X": x.astype(str), "y": y}, "X holds <U"
    yield "hole", {"X": hole, "y": y}, "the first in row 7, column 2"
    yield "huge", {"X": x * 1e200, "y": y}, "scale it down"
    yield "constant", {"X": np.full((90, 4), 0.1), "y": y}, "no feature of X varies"
    yield "nan labels", {"X": x, "y": np.where(y > 0, y, np.nan)}, "y holds float64"
    yield "marked", {"X": x, "y": np.eye(3)[y]}, "argmax"
    yield "one class", {"X": x, "y": 0 * y}, "y holds 1 classes"
    yield "many classes", {"X": x, "y": np.arange(90)}, "y holds 90 classes"
    yield "rare", {"X": x, "y": np.where(np.arange(90) == 0, 3, y)}, "class 3 has 1 rows"
    yield "objects", {"X": x, "y": y.astype(object)}, "y cannot be read"


@pytest.mark.parametrize(
    ("name", "arrays", "says"), list(own_files()), ids=lambda value: str(value)[:9]
)
def test_a_users_data_take_the_place_of_the_shipped_or_are_refused(
    name: str, arrays: dict[str, np.ndarray], says: str, task: ModuleType, tmp_path: Path
) -> None:
    path = tmp_path / "own.npz"
    np.savez(path, **arrays)
    if not says:
        assert first_of(path, task).private["problem"].layers == (4, 32, 3)
        return
    with pytest.raises(Unusable, match=f"own.npz: .*{re.escape(says)}"):
        first_of(path, task)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-40]), "is no npz file"),
        (lambda path: path.write_bytes(b""), "is no npz file"),
        (lambda path: path.write_text("X,y"), "is no npz file"),
        (lambda path: path.unlink(), "is no npz file"),
        (lambda path: flip(path), "cannot be read"),
        (lambda path: np.save(path.open("wb"), np.zeros(3)), "is a single array"),
    ],
)
def test_files_that_are_no_archive_of_arrays_are_refused(
    spoil: Callable[[Path], Any], says: str, task: ModuleType, tmp_path: Path
) -> None:
    path = tmp_path / "own.npz"
    np.savez(path, X=np.random.default_rng(0).normal(size=(90, 4)), y=np.arange(90) % 3)
    spoil(path)
    with pytest.raises(Unusable, match=f"data.path={re.escape(str(path))}: .*{says}"):
        first_of(path, task)


def flip(path: Path) -> None:
    """Spoil a byte amid the first array."""
    held = bytearray(path.read_bytes())
    held[1000] ^= 255
    path.write_bytes(held)


def test_a_users_data_may_have_any_scale(task: ModuleType, tmp_path: Path) -> None:
    x, y = np.random.default_rng(0).normal(size=(90, 4)), np.arange(90) % 3
    seen = []
    for number, scale in enumerate((1.0, 2.0**-40, 2.0**60)):
        np.savez(tmp_path / f"{number}.npz", X=scale * x, y=y)
        seen.append(first_of(tmp_path / f"{number}.npz", task).private["problem"].x)
    np.testing.assert_allclose(seen[1], seen[0], rtol=1e-5)
    np.testing.assert_allclose(seen[2], seen[0], rtol=1e-5)


def first_of(path: Path, task: ModuleType) -> Instance:
    """Give the first instance of `train` that is drawn from a user's file."""
    own = SimpleNamespace(**{**vars(SETTINGS), "data": SimpleNamespace(path=str(path))})
    first: Instance = next(iter(task.instances("train", own)))
    return first


def test_the_first_probe_is_a_single_call_with_the_shape_that_operators_are_told(
    task: ModuleType,
) -> None:
    single, *others = task.instances("probe", SETTINGS)
    seen = []

    def update(g: np.ndarray, state: dict[str, Any], t: int, T: int, p: np.ndarray) -> np.ndarray:
        seen.append(g.shape)
        return g

    outcome(task, single, update)
    assert seen == [single.public["g"].shape]
    assert len(set(seen[0])) == 2
    assert all(each.public["g"].shape == each.public["start"][0].shape[1:] for each in others)


@pytest.mark.parametrize("block", read_spec(FOLDER / "task.toml").block, ids=lambda b: b.name)
@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4,)])
def test_blocks_give_another_step_of_the_same_shape(block: Block, shape: tuple[int, ...]) -> None:
    scope: dict[str, Any] = {}
    exec(block.source, scope)
    draw, state = np.random.default_rng(0), dict[str, Any]()
    for t in range(1, 8):
        given = {
            "g": draw.standard_normal(shape).astype(np.float32) * (t != 4),
            "x": draw.standard_normal(shape).astype(np.float32),
            "p": draw.standard_normal(shape).astype(np.float32),
            "state": state,
            "t": t,
            "T": 7,
        }
        before = {name: given[name].copy() for name in "gxp"}
        names = inspect.signature(scope[block.name]).parameters
        seen = scope[block.name](**{name: given[name] for name in names})
        assert seen.shape == shape
        assert seen.dtype == np.float32
        assert np.isfinite(seen).all()
        assert all(np.array_equal(given[name], held) for name, held in before.items())


def test_the_exported_optimizer_trains_a_torch_module() -> None:
    adapter = module_of(FOLDER / "exported" / "torch_optimizer.py")
    torch.manual_seed(0)
    module = torch.nn.Sequential(
        torch.nn.Conv2d(1, 3, 3), torch.nn.Flatten(), torch.nn.ReLU(), torch.nn.Linear(108, 2)
    )
    x = torch.randn(64, 1, 8, 8)
    y = (x.mean((1, 2, 3)) > 0).long()
    for name in ("adam", "muon", "lion"):
        optimizer = adapter.DiscoveredOptimizer(module.parameters(), rule(name), 60)
        scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 30)
        losses = []
        for _ in range(20):
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(module(x), y)
            loss.backward()
            optimizer.step()
            scheduler.step()
            losses.append(loss.item())
        assert losses[-1] < losses[0], name


@pytest.mark.parametrize("name", ["adam", "muon", "lion", "sgd"])
def test_the_exported_optimizer_goes_on_from_a_checkpoint_as_if_it_had_not_stopped(
    name: str, tmp_path: Path
) -> None:
    adapter = module_of(FOLDER / "exported" / "torch_optimizer.py")
    torch.manual_seed(0)
    module = torch.nn.Linear(64, 48)
    x = torch.randn(16, 64)

    def trained(optimizer: Any, steps: int) -> torch.Tensor:
        for _ in range(steps):
            optimizer.zero_grad()
            module(x).square().mean().backward()
            optimizer.step()
        return module.weight.detach().clone()

    optimizer = adapter.DiscoveredOptimizer(module.parameters(), rule(name), 10)
    trained(optimizer, 4)
    kept = {"module": module.state_dict(), "optimizer": optimizer.state_dict()}
    torch.save(kept, tmp_path / "kept.pt")
    whole = trained(optimizer, 4)
    copied = copy.deepcopy(optimizer)
    for parameter in copied.param_groups[0]["params"]:
        parameter.grad = torch.zeros_like(parameter)
    copied.step()
    kept = torch.load(tmp_path / "kept.pt", weights_only=True)
    module.load_state_dict(kept["module"])
    resumed = adapter.DiscoveredOptimizer(module.parameters(), rule(name), 10)
    resumed.load_state_dict(kept["optimizer"])
    assert torch.equal(trained(resumed, 4), whole)


def test_the_exported_optimizer_does_what_torch_does_for_the_same_rule() -> None:
    adapter = module_of(FOLDER / "exported" / "torch_optimizer.py")
    torch.manual_seed(0)
    own, theirs = torch.nn.Linear(5, 3), torch.nn.Linear(5, 3)
    theirs.load_state_dict(own.state_dict())
    scope: dict[str, Any] = {}
    text = (FOLDER / "programs" / "momentum.py").read_text().replace("rate(t, T) * m", "0.05 * m")
    exec(text, scope)
    mine = adapter.DiscoveredOptimizer(own.parameters(), scope["update"], 10, lr=0.5)
    reference = torch.optim.SGD(theirs.parameters(), lr=0.025, momentum=scope["BETA"])
    x = torch.randn(16, 5)
    for _ in range(6):
        for module, optimizer in ((own, mine), (theirs, reference)):
            optimizer.zero_grad()
            module(x).square().mean().backward()
            optimizer.step()
    torch.testing.assert_close(own.weight, theirs.weight)
    torch.testing.assert_close(own.bias, theirs.bias)
    with pytest.raises(ValueError, match="must be positive"):
        adapter.DiscoveredOptimizer(own.parameters(), scope["update"], 0)
