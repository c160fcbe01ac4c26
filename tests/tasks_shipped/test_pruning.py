"""pruning: masks are what they say, grades repeat themselves, published criteria rank as they should."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from evolve.grading import namespace
from evolve.spec import TaskSpec
from evolve.task import Instance, Invalid, Unusable

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.usefixtures("own_cache", "one_thread")
FOLDER = ROOT / "tasks" / "pruning"
PROGRAMS = sorted((FOLDER / "programs").glob("*.py"))
# Nets of these families are trained for a moment only: what is tested of them is no quality.
SHORT = {"cnn": 60, "lm": 12}


@pytest.fixture(scope="module")
def task() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER.parent))
        module = importlib.import_module(f"{FOLDER.name}.task")
        recipes = importlib.import_module("pruning.fitting").RECIPES
        for family, steps in SHORT.items():
            patch.setitem(recipes, family, replace(recipes[family], steps=steps))
        yield module


@pytest.fixture(scope="module")
def settings(spec: TaskSpec) -> SimpleNamespace:
    few = {"train_nets": 2, "valid_nets": 1, "test_nets": 1}
    return namespace({**spec.settings, **few})


@pytest.fixture(scope="module")
def probes(task: ModuleType, settings: SimpleNamespace, train: list[Instance]) -> list[Instance]:
    return list(task.instances("probe", settings))


def loaded(path: Path) -> ModuleType:
    found = importlib.util.spec_from_file_location(path.stem, path)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


HARNESS = loaded(FOLDER / "harness.py")
EXPORTED = loaded(FOLDER / "exported" / "torch_pruning.py")


def masks_of(name: str, instance: Instance) -> list[np.ndarray]:
    score = loaded(FOLDER / "programs" / f"{name}.py").score
    return HARNESS.call(score, instance.public, None)


def of_family(instances: list[Instance], family: str) -> list[Instance]:
    return [instance for instance in instances if instance.groups["family"] == family]


def test_grades_repeat_themselves(task: ModuleType, train: list[Instance]) -> None:
    for instance in [of_family(train, family)[0] for family in ("mlp", "cnn", "lm")]:
        masks = masks_of("magnitude", instance)
        assert task.grade(instance, masks) == task.grade(instance, masks)
        floats = [mask.astype(np.float64) for mask in masks]
        assert task.grade(instance, floats) == task.grade(instance, masks)


def test_the_whole_net_would_score_one_and_nothing_of_it_none(train: list[Instance]) -> None:
    net = of_family(train, "mlp")[0].private["net"]
    whole = [np.ones(weights.shape, dtype=bool) for weights in net.weights.values()]
    assert net.recovered(whole) == 1
    assert abs(net.recovered([~mask for mask in whole])) < 0.05


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda masks: None, "a list of 3 masks"),
        (lambda masks: masks[:2], "a list of 3 masks"),
        (lambda masks: [*masks[:2], masks[2].T], "give truth values of shape"),
        (lambda masks: [*masks[:2], masks[2].astype(str)], "give truth values of shape"),
        (lambda masks: [np.ones_like(mask) for mask in masks], "weights stay: at most"),
    ],
)
def test_what_are_no_masks_is_refused_with_a_reason(
    task: ModuleType, train: list[Instance], spoil: Callable[[list[np.ndarray]], Any], says: str
) -> None:
    instance = of_family(train, "mlp")[0]
    with pytest.raises(Invalid, match=says):
        task.grade(instance, spoil(masks_of("magnitude", instance)))


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (None, "a list of 1 arrays"),
        (np.zeros((3, 4)), "a list of 1 arrays"),
        ([np.zeros((4, 3))], r"shape \(4, 3\), not \(3, 4\)"),
        ([np.full((3, 4), np.nan)], "hold 12 NaN"),
    ],
)
def test_what_are_no_scores_is_refused_with_a_reason(found: Any, says: str) -> None:
    public = {"layers": [{"W": np.zeros((3, 4))}], "sparsity": 0.5, "pattern": "weights"}
    with pytest.raises(ValueError, match=says):
        HARNESS.call(lambda layers, sparsity: found, public, None)


def test_of_equal_scores_the_first_stay() -> None:
    kept = HARNESS.ranked_together([np.zeros((2, 3)), np.ones((1, 2))], 0.5)
    assert [mask.tolist() for mask in kept] == [
        [[True, True, False], [False, False, False]],
        [[True, True]],
    ]
    assert not HARNESS.ranked_together([np.arange(3.0)], 1.0)[0].any()


def test_infinities_are_scores() -> None:
    kept = HARNESS.ranked_together([np.array([-np.inf, 0.0, np.inf, -1.0])], 0.5)
    assert kept[0].tolist() == [False, True, True, False]


def test_groups_keep_their_highest() -> None:
    kept = HARNESS.ranked_in_groups(np.array([[1.0, 3, 2, 0, 5], [0, 0, 0, 1, -9]]), 1, 4)
    assert kept.astype(int).tolist() == [[0, 1, 0, 0, 1], [0, 0, 0, 1, 1]]


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_programs_keep_what_they_may_on_every_probe(path: Path, probes: list[Instance]) -> None:
    score = loaded(path).score
    for instance in probes:
        masks = HARNESS.call(score, instance.public, None)
        size = sum(mask.size for mask in masks)
        assert sum(mask.sum() for mask in masks) == size - round(instance.public["sparsity"] * size)


def test_programs_differ_on_the_probes(probes: list[Instance]) -> None:
    seen = {
        tuple(mask.tobytes() for each in probes for mask in masks_of(path.stem, each))
        for path in PROGRAMS
    }
    assert len(seen) == len(PROGRAMS)


def test_probes_show_enough_items(probes: list[Instance]) -> None:
    sizes = [layer["W"].size for each in probes for layer in each.public["layers"]]
    assert sum(sizes) >= 4096
    assert len(probes[0].public["layers"]) == 1


def test_blocks_of_the_vocabulary_give_what_they_declare(
    spec: TaskSpec, probes: list[Instance]
) -> None:
    for block in spec.block:
        scope: dict[str, Any] = {}
        exec(block.source, scope)
        for instance in probes:
            for layer in instance.public["layers"]:
                value = np.asarray(scope[block.name](layer))
                place = f"{block.name} on {instance.name}"
                assert value.shape == layer["W"].shape, place
                assert value.dtype.kind == ("b" if block.gives == "mask" else "f"), place
                assert np.isfinite(value).all(), place
                assert block.gives == "mask" or (value >= 0).all(), place


def test_published_criteria_rank_on_digits_as_in_the_readme(train: list[Instance]) -> None:
    names = ("wanda_lamp", "magnitude", "fisher", "trivial")
    nets = of_family(train, "mlp")
    means = [
        np.mean([each.private["net"].recovered(masks_of(name, each)) for each in nets])
        for name in names
    ]
    assert means == sorted(means, reverse=True)
    assert means[0] == pytest.approx(0.6, abs=0.1)
    assert means[-1] == pytest.approx(0.07, abs=0.07)


def test_a_reference_that_looks_again_beats_its_criterion(train: list[Instance]) -> None:
    control = loaded(FOLDER / "controls" / "iterative_fisher_lamp.py").score
    found, plain = 0.0, 0.0
    for instance in of_family(train, "mlp")[2:4]:  # at .95 and .98
        net = instance.private["net"]
        found += net.recovered(control(**instance.public, private=instance.private))
        plain += net.recovered(masks_of("fisher_lamp", instance))
    assert found > plain + 0.1


def test_moments_are_those_of_a_torch_module(train: list[Instance]) -> None:
    """The exported adapter, written apart, sees what the task's own calibration saw."""
    net = of_family(train, "mlp")[0].private["net"]
    module = as_module(net)
    inputs, labels = (torch.from_numpy(part) for part in net.calibration)

    def loss(logits: torch.Tensor) -> torch.Tensor:
        return nn.functional.cross_entropy(logits, labels, reduction="none")

    _, layers = EXPORTED.describe(module, inputs, loss)
    for own, other in zip(of_family(train, "mlp")[0].public["layers"], layers, strict=True):
        for key in ("W", "b", "x_norm", "x_mean", "H", "z_mean", "z_std", "G", "G2"):
            np.testing.assert_allclose(own[key], other[key], rtol=1e-3, atol=1e-6, err_msg=key)


def test_the_exported_adapter_cuts_a_module_as_it_was_graded(train: list[Instance]) -> None:
    instance = of_family(train, "mlp")[0]
    net = instance.private["net"]
    module, score = as_module(net), loaded(FOLDER / "programs" / "magnitude.py").score
    EXPORTED.prune_by(score, module, torch.from_numpy(net.calibration[0]), 0.8)
    kept = [layer.weight_mask.bool().numpy() for layer in module if isinstance(layer, nn.Linear)]
    for mine, graded in zip(kept, masks_of("magnitude", instance), strict=True):
        assert np.array_equal(mine, graded)
    assert module[0].weight.eq(0).any()


def test_the_exported_adapter_takes_convolutions_and_refuses_wrong_scores() -> None:
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding="same"), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(64, 3)
    )
    inputs = torch.rand(20, 1, 4, 4)
    score = loaded(FOLDER / "programs" / "wanda_lamp.py").score
    EXPORTED.prune_by(score, net, inputs, 0.5)
    assert sum(float(net[i].weight_mask.sum()) for i in (0, 3)) == (36 + 192) / 2
    with pytest.raises(ValueError, match="scores of shape"):
        EXPORTED.prune_by(lambda layers, s: [np.zeros(2)] * 2, net, inputs, 0.5)


def as_module(net: Any) -> nn.Sequential:
    """Make the torch module that an mlp of the task is."""
    parts: list[nn.Module] = []
    for name in ("fc1", "fc2", "fc3"):
        weights = torch.from_numpy(np.array(net.weights[f"{name}.W"]))
        layer = nn.Linear(*reversed(weights.shape))
        layer.weight.data, layer.bias.data = (
            weights,
            torch.from_numpy(np.array(net.others[f"{name}.b"])),
        )
        parts += [layer, nn.ReLU()]
    return nn.Sequential(*parts[:-1])


def test_parts_of_the_data_never_mix(task: ModuleType) -> None:
    sources = importlib.import_module("pruning.sources")
    parts = [{image.tobytes() for image in sources.digits(p)[0]} for p in ("fit", "valid", "test")]
    assert [len(part) for part in parts] == [1100, 300, 397]
    assert not parts[0] & parts[1]
    assert not parts[2] & (parts[0] | parts[1])
    codes = [sources.text(part).codes for part in ("fit", "valid", "test")]
    assert sum(map(len, codes)) == 373_340


def test_nothing_of_the_evaluation_is_public(train: list[Instance]) -> None:
    for instance in train:
        net = instance.private["net"]
        hidden = [net.inputs, net.targets, *net.calibration]
        for layer in instance.public["layers"]:
            for value in layer.values():
                if isinstance(value, np.ndarray):
                    assert not any(np.array_equal(value, secret) for secret in hidden)
        assert set(instance.public) == {"layers", "sparsity", "pattern"}


def test_sparsities_of_a_net_share_their_arrays(train: list[Instance]) -> None:
    assert train[0].public["layers"] is train[1].public["layers"]


def test_blocks_of_valid_share_nets_and_no_examples(
    task: ModuleType, settings: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipes = importlib.import_module("pruning.fitting").RECIPES
    monkeypatch.setitem(recipes, "mlp", replace(recipes["mlp"], steps=50))
    one, two = (next(iter(task.instances("valid", settings, block=block))) for block in (0, 1))
    first, second = one.private["net"], two.private["net"]
    assert one.name != two.name
    assert np.array_equal(first.weights["fc1.W"], second.weights["fc1.W"])
    assert not np.array_equal(first.calibration[0], second.calibration[0])
    assert not np.array_equal(one.public["layers"][0]["H"], two.public["layers"][0]["H"])


def test_nets_of_the_hidden_test_have_other_shapes(task: ModuleType) -> None:
    blocks = importlib.import_module("pruning.blocks")
    usual = {each.shape for each in blocks._wanted("train", 0, 6)}
    hidden = {each.shape for each in blocks._wanted("test", 0, 6)}
    assert not usual & hidden
    assert len(hidden) == 6


OWN = """
import torch
from torch import nn

def build():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(144, 3))
    inputs = torch.rand(300, 1, 8, 8)
    labels = net(inputs).argmax(-1)
    return net, torch.rand(60, 1, 8, 8), inputs, labels
"""


def own_settings(
    settings: SimpleNamespace, folder: Path, text: str, **others: Any
) -> SimpleNamespace:
    path = folder / "own.py"
    path.write_text(text)
    checkpoint = SimpleNamespace(path="")
    net = SimpleNamespace(path=str(path), checkpoint=checkpoint)
    told = SimpleNamespace(own="0.5 0.8")
    return SimpleNamespace(**{**vars(settings), "net": net, "sparsities": told, **others})


def test_a_net_of_the_users_own_is_pruned_and_graded(
    task: ModuleType, settings: SimpleNamespace, tmp_path: Path
) -> None:
    own = own_settings(settings, tmp_path, OWN)
    instances = list(task.instances("train", own))
    assert [each.public["sparsity"] for each in instances[:2]] == [0.5, 0.8]
    assert instances[0].public["layers"][0]["kind"] == "conv"
    grades = [task.grade(each, masks_of("wanda_lamp", each)) for each in instances]
    assert grades[0].score > 0.3
    names = {
        each.name for split in ("train", "valid", "test") for each in task.instances(split, own)
    }
    assert len(names) == 3 * len(instances)
    assert len(list(task.instances("probe", own))) == 8
    tuned = SimpleNamespace(**{**vars(own), "finetune_steps": 3})
    again = next(iter(task.instances("train", tuned)))
    assert task.grade(again, masks_of("magnitude", again)).score != grades[0].score


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("def build", "def make"), "defines no function `build`"),
        (("import torch\n", "import torc\n"), "cannot be imported: ModuleNotFoundError"),
        (("return net, ", "return None, "), "no torch.nn.Module but NoneType"),
        (("inputs, labels\n", "inputs\n"), "must return four things"),
        (("torch.manual_seed(0)", "1 / 0"), "build\\(\\) failed: ZeroDivisionError"),
        (("inputs, labels\n", "inputs, labels[:9]\n"), "9 labels: give 16 at least"),
        (("inputs, labels\n", "inputs, labels[:99]\n"), "300 evaluation inputs, but 99 labels"),
        (("torch.rand(60, 1, 8, 8)", "torch.rand(60, 1, 9, 9)"), "give both in one form"),
        (("torch.rand(60, 1, 8, 8)", "torch.rand(60, 1, 8, 8) / 0"), "not finite"),
        (("inputs, labels\n", "inputs, labels.float()\n"), "give whole numbers"),
        (("inputs, labels\n", "inputs, labels + 1\n"), "run from"),
        (("argmax(-1)", "argmax(-1)[torch.randperm(300)]"), "no better"),
        (("nn.Linear(144, 3)", "nn.Linear(143, 3)"), "RuntimeError"),
        (("argmax(-1)", "argmax(-1)[:, None]"), "must answer logits"),
    ],
)
def test_what_is_wrong_with_a_net_is_told(
    task: ModuleType,
    settings: SimpleNamespace,
    tmp_path: Path,
    change: tuple[str, str],
    says: str,
) -> None:
    assert change[0] in OWN
    with pytest.raises(Unusable, match=says):
        list(task.instances("train", own_settings(settings, tmp_path, OWN.replace(*change))))


@pytest.mark.parametrize("text", ["", "half", "0.5 1.5", "0.5 0.5"])
def test_what_are_no_sparsities_is_told(
    task: ModuleType, settings: SimpleNamespace, tmp_path: Path, text: str
) -> None:
    own = own_settings(settings, tmp_path, OWN, sparsities=SimpleNamespace(own=text))
    with pytest.raises(Unusable, match=r"sparsities\.own"):
        list(task.instances("train", own))


def test_a_checkpoint_is_handed_to_build(
    task: ModuleType, settings: SimpleNamespace, tmp_path: Path
) -> None:
    text = OWN.replace("def build():", "def build(checkpoint):\n    open(checkpoint).read()")
    missing = SimpleNamespace(path=str(tmp_path / "own.py"), checkpoint=SimpleNamespace(path="no"))
    own = own_settings(settings, tmp_path, text, net=missing)
    with pytest.raises(Unusable, match="build\\(\\) failed: FileNotFoundError"):
        list(task.instances("train", own))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_gives_nearly_the_same(train: list[Instance]) -> None:
    for family in ("mlp", "cnn", "lm"):
        instance = of_family(train, family)[0]
        net = instance.private["net"]
        there = replace(net, device="cuda", _dense=[])
        masks = masks_of("wanda_lamp", instance)
        assert there.recovered(masks) == pytest.approx(net.recovered(masks), abs=0.01)
        for own, other in zip(net.layers(), there.layers(), strict=True):
            np.testing.assert_allclose(own["G2"], other["G2"], rtol=0.05, atol=1e-6)
