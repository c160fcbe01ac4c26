"""The score of a choice: accuracy on clean images of nets trained on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from evolve.task import Instance, rng

from .training import Nets, Recipe, hidden_units, initial, logits, train

LEARNER = Recipe()


@dataclass(frozen=True)
class Choice:
    """What nets are trained on: rows (n,) int64 of the pool, ascending.

    soft: with the mean belief of nets that saw the whole pool in place of the given labels; no
    candidate can ask for that.
    """

    rows: np.ndarray
    soft: bool = False


def accuracies(instances: Sequence[Instance], choices: Sequence[Choice]) -> list[float]:
    """Give the mean accuracy, 0 to 1, over the initialisations of every instance.

    All nets are trained as one program.
    """
    device = instances[0].private["device"]
    nets_each = [instance.private["initialisations"] for instance in instances]
    images, labels, offsets = _table(instances, choices, device)
    plans = [
        (*_plan(instance, choice.rows, number), offset)
        for instance, choice, offset, times in zip(
            instances, choices, offsets, nets_each, strict=True
        )
        for number in range(times)
    ]
    order = np.stack([rows + offset for rows, _, offset in plans])
    start = np.stack([weights for _, weights, _ in plans])
    right = np.empty(len(plans))
    clean, truth = instances[0].private["evaluation"]
    clean, truth = torch.from_numpy(clean).to(device), torch.from_numpy(truth).to(device)

    def measure(step: int, which: slice, nets: Nets) -> None:
        said = logits(nets, hidden_units(nets, clean)).argmax(1)
        right[which] = (said == truth).sum(1).cpu().numpy() / len(truth)

    train(images, labels, order, start, LEARNER, measure, frozenset([LEARNER.steps]))
    ends = np.cumsum(nets_each)[:-1]
    return [float(part.mean()) for part in np.split(right, ends)]


def _table(
    instances: Sequence[Instance], choices: Sequence[Choice], device: str
) -> tuple[torch.Tensor, torch.Tensor, list[int]]:
    """Lay the pools of instances under one another, with where each instance begins.

    A pool stands there once with its given labels, and once with soft ones where a choice has them.
    """
    begins: dict[tuple[int, bool], int] = {}
    images, targets, offsets, end = [], [], [], 0
    for instance, choice in zip(instances, choices, strict=True):
        own = instance.private["images"]
        place = id(own), choice.soft
        if place not in begins:
            begins[place] = end
            images.append(own)
            targets.append(_targets(instance, choice.soft))
            end += len(own)
        offsets.append(begins[place])
    rows = torch.from_numpy(np.concatenate(images)).to(device)
    return rows, torch.from_numpy(np.concatenate(targets)).to(device), offsets


def _targets(instance: Instance, soft: bool) -> np.ndarray:
    """Give what a net is to say of every row of a pool, (N, C) float32."""
    if soft:
        return instance.private["soft_labels"]
    return np.eye(_classes(instance), dtype=np.float32)[instance.private["labels"]]


def _classes(instance: Instance) -> int:
    return instance.public["pool"]["n_classes"]


def _plan(instance: Instance, choice: np.ndarray, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw the batches (steps, batch) and initial weights (P,) of one net.

    They depend on the instance only, so that two programs meet the same luck.
    """
    draw = rng("data_selection", "grade", instance.name, number)
    weights = initial(draw, instance.private["images"].shape[1], _classes(instance), LEARNER.hidden)
    place = draw.random((LEARNER.steps, LEARNER.batch), dtype=np.float32)
    # float32 just below one may round up to len(choice).
    return choice[np.minimum((place * len(choice)).astype(np.int64), len(choice) - 1)], weights
