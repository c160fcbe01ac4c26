"""The variants of pruning: other masks, other limits, the same nets; controls that look further."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from evolve.folder import TaskFolder
from evolve.grading import TaskCode
from evolve.loader import Task, load_task
from evolve.task import Instance, Invalid

pytestmark = pytest.mark.usefixtures("own_cache", "one_thread")
ROOT = Path(__file__).resolve().parents[2]
# What is tested is the machinery, so nets are trained for a moment only.
SHORT = {"mlp": 150, "cnn": 30, "lm": 10}
TIED = ("probe-ties", "probe-constant")
FEW = ["train_nets=1", "valid_nets=1", "test_nets=1"]


class Opened:
    """A variant with its train instances."""

    def __init__(self, name: str) -> None:
        self.task: Task = load_task(ROOT / "tasks" / name, FEW)
        folder = TaskFolder.of(self.task.folder)
        self.code = TaskCode(
            folder, self.task.spec, self.task.settings, self.task.digest, lambda *told: None
        )
        fitting = sys.modules[f"evolve_task_{name}.base.fitting"]
        for family, steps in SHORT.items():
            fitting.RECIPES[family] = replace(fitting.RECIPES[family], steps=steps)
        self.train = self.code.instances("train", 0)
        self.probes = self.code.instances("probe", 0)
        scope: dict[str, Any] = {}
        exec(self.task.harness() or "", scope)
        self._call = scope["call"]

    def masks(self, program: str, instance: Instance) -> list[np.ndarray]:
        scope: dict[str, Any] = {}
        exec(self.task.programs()[program], scope)
        return self._call(scope[self.task.spec.entry], instance.public, None)

    def control(self, name: str, instance: Instance) -> list[np.ndarray]:
        return self.code.control_outputs(self.task.controls()[name], [instance])[0]

    def score(self, instance: Instance, masks: list[np.ndarray]) -> float:
        grades = self.code.grade_all([instance], [masks])
        if isinstance(grades, Invalid):
            raise grades
        return grades[0].score

    def of_family(self, family: str) -> list[Instance]:
        return [each for each in self.train if each.groups["family"] == family]


@pytest.fixture(scope="module")
def finetuned() -> Opened:
    return Opened("pruning_finetune")


@pytest.fixture(scope="module")
def grouped() -> Opened:
    return Opened("pruning_nm")


@pytest.fixture(scope="module")
def structured() -> Opened:
    return Opened("pruning_structured")


@pytest.fixture(scope="module")
def searching() -> Opened:
    return Opened("pruning_search")


def test_fine_tuning_mends_and_leaves_what_was_cut_at_zero(finetuned: Opened) -> None:
    instance = finetuned.of_family("mlp")[1]
    net, tuning = instance.private["net"], instance.private["tuning"]
    masks = finetuned.masks("magnitude", instance)
    assert tuning.steps == 30
    assert finetuned.score(instance, masks) == finetuned.score(instance, masks)
    assert finetuned.score(instance, masks) == net.recovered(masks, tuning)
    tuned = net.masked(masks, tuning)
    for layer, mask in zip(instance.public["layers"], masks, strict=True):
        weights = tuned[f"{layer['name']}.W"][0].numpy()
        assert not weights[~mask].any()
        assert not np.array_equal(weights[mask], layer["W"][mask])


def test_of_every_group_one_stays(grouped: Opened) -> None:
    names = [each.name for each in grouped.of_family("cnn")]
    assert names == ["train-0-cnn0-1:4", "train-0-cnn0-1:8"]
    first, second = grouped.of_family("cnn")
    assert [each.public["sparsity"] for each in (first, second)] == [0.75, 0.875]
    masks = grouped.masks("wanda_lamp", first)
    assert masks[0].sum(1).tolist() == [3] * 16  # of nine inputs: groups of 4, 4 and 1
    assert masks[1].sum(1).tolist() == [36] * 32
    assert -0.2 < grouped.score(first, masks) < 1.5
    with pytest.raises(Invalid, match="keeps 2 of 8 neighbours"):
        grouped.score(second, masks)


def test_of_structured_masks_whole_units_go(structured: Opened) -> None:
    instance = structured.of_family("cnn")[1]
    masks = structured.masks("filter_norm", instance)
    assert [len(mask) for mask in masks] == [16, 32, 64]
    assert sum(int(mask.sum()) for mask in masks) == 56
    net = instance.private["net"]
    kept = net.masked(masks)
    for layer, mask in zip(instance.public["layers"], masks, strict=True):
        assert not kept[f"{layer['name']}.W"][0].numpy()[~mask].any()
        assert not kept[f"{layer['name']}.b"][0].numpy()[~mask].any()
    with pytest.raises(Invalid, match="units stay: at most 56"):
        structured.score(instance, [np.ones_like(mask) for mask in masks])


def test_readers_of_units_are_the_next_layers_columns(structured: Opened) -> None:
    instance = structured.of_family("cnn")[0]
    net = instance.private["net"]
    conv2 = instance.public["layers"][1]
    fc1 = net.weights["fc1.W"]
    assert conv2["W_next"].shape == (32, 4 * 64)
    assert set(conv2["W_next"][3].tolist()) == set(fc1[:, 12:16].ravel().tolist())
    assert [len(layer["a_norm"]) for layer in instance.public["layers"]] == [16, 32, 64]


@pytest.mark.parametrize(
    "name", sorted(load_task(ROOT / "tasks" / "pruning_structured").programs())
)
def test_structured_programs_answer_every_probe(structured: Opened, name: str) -> None:
    for instance in structured.probes:
        masks = structured.masks(name, instance)
        size = sum(len(mask) for mask in masks)
        assert sum(mask.sum() for mask in masks) == size - round(instance.public["sparsity"] * size)


def behaviours(opened: Opened, probes: list[Instance]) -> set[frozenset[str]]:
    """Give the groups of programs that have the same masks on every probe."""
    groups: dict[tuple[bytes, ...], set[str]] = {}
    for name in opened.task.programs():
        masks = tuple(mask.tobytes() for each in probes for mask in opened.masks(name, each))
        groups.setdefault(masks, set()).add(name)
    return {frozenset(group) for group in groups.values()}


def test_probes_tell_all_structured_programs_apart(structured: Opened) -> None:
    assert {len(group) for group in behaviours(structured, structured.probes)} == {1}


def test_only_the_groups_that_its_page_names_are_the_same_under_n_of_m(grouped: Opened) -> None:
    # Where weights are equal, what else a program adds to them decides which one stays.
    untied = [each for each in grouped.probes if each.name not in TIED]
    assert len(untied) == len(grouped.probes) - len(TIED)
    same = {group for group in behaviours(grouped, untied) if len(group) > 1}
    assert same == {
        frozenset({"magnitude", "magnitude_layer", "lamp"}),
        frozenset({"wanda_layer", "wanda_row", "wanda_lamp", "wanda_erk", "obd"}),
        frozenset({"fisher", "fisher_lamp"}),
    }


def test_structured_blocks_give_what_they_declare(structured: Opened) -> None:
    for block in structured.task.spec.block:
        scope: dict[str, Any] = {}
        exec(block.source, scope)
        for instance in structured.probes:
            for layer in instance.public["layers"]:
                value = np.asarray(scope[block.name](layer))
                assert value.shape == (len(layer["W"]),), block.name
                assert value.dtype.kind == ("b" if block.gives == "mask" else "f"), block.name
                assert np.isfinite(value).all(), block.name


def test_greedy_ablation_keeps_more_than_chance(structured: Opened) -> None:
    found = chance = 0.0
    for instance in structured.of_family("mlp")[1:]:
        found += structured.score(instance, structured.control("greedy_ablation", instance))
        chance += structured.score(instance, structured.masks("random_global", instance))
    assert found > chance


def test_a_search_has_more_time_and_a_reference_that_sees_examples(searching: Opened) -> None:
    assert searching.task.spec.limits.cpu_s == 30
    instance = searching.of_family("mlp")[2]
    masks = searching.control("mask_training", instance)
    plain = searching.masks("wanda_lamp", instance)
    assert searching.score(instance, masks) > searching.score(instance, plain) + 0.1


def test_variants_share_the_nets_and_not_the_digest(grouped: Opened, searching: Opened) -> None:
    one, two = (opened.of_family("mlp")[0].private["net"] for opened in (grouped, searching))
    assert np.array_equal(one.weights["fc1.W"], two.weights["fc1.W"])
    assert grouped.task.digest != searching.task.digest


def test_the_exported_adapter_cuts_units_as_they_were_graded(structured: Opened) -> None:
    path = ROOT / "tasks" / "pruning_structured" / "exported" / "torch_units.py"
    found = importlib.util.spec_from_file_location("torch_units", path)
    assert found is not None
    assert found.loader is not None
    units = importlib.util.module_from_spec(found)
    found.loader.exec_module(units)
    instance = structured.of_family("mlp")[0]
    net = instance.private["net"]
    parts: list[nn.Module] = []
    for name in ("fc1", "fc2", "fc3"):
        weights = torch.from_numpy(np.array(net.weights[f"{name}.W"]))
        layer = nn.Linear(weights.shape[1], weights.shape[0])
        layer.weight.data = weights
        layer.bias.data = torch.from_numpy(np.array(net.others[f"{name}.b"]))
        parts += [layer, nn.ReLU()]
    module = nn.Sequential(*parts[:-1])
    scope: dict[str, Any] = {}
    exec(structured.task.programs()["flap"], scope)
    units.cut_units(scope["score_units"], module, torch.from_numpy(net.calibration[0]), 0.6)
    for layer, mask in zip((module[0], module[2]), structured.masks("flap", instance), strict=True):
        assert np.array_equal(layer.weight_mask.any(1).numpy(), mask)
        assert np.array_equal(layer.bias_mask.bool().numpy(), mask)
    assert not hasattr(module[4], "weight_mask")
    with pytest.raises(ValueError, match="scores of shape"):
        units.cut_units(lambda layers, s: [np.zeros(2)] * 2, module, torch.rand(20, 64), 0.6)


def test_the_reference_in_groups_keeps_to_them(grouped: Opened) -> None:
    for instance in grouped.of_family("mlp"):
        found = grouped.control("iterative_fisher_lamp", instance)
        assert -0.2 < grouped.score(instance, found) < 1.5
