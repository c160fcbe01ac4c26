"""The score of a choice: accuracy on clean images of nets trained on it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from evolve.task import Instance, rng

from .pools import CLASSES
from .training import Nets, Recipe, hidden_units, initial, logits, train

LEARNER = Recipe()


def accuracies(instances: Sequence[Instance], choices: Sequence[np.ndarray]) -> list[float]:
    """Give the mean accuracy, 0 to 1, over the initialisations of every instance.

    choices: row numbers, each (n,) int64 and ascending. All nets are trained as one program.
    """
    device = instances[0].private["device"]
    nets_each = [instance.private["initialisations"] for instance in instances]
    images, labels, offsets = _table(instances, device)
    plans = [
        (*_plan(instance, choice, number), offset)
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
    instances: Sequence[Instance], device: str
) -> tuple[torch.Tensor, torch.Tensor, list[int]]:
    """Lay the pools of instances under one another, each once, with where each instance begins."""
    begins: dict[int, int] = {}
    images, labels, end = [], [], 0
    for instance in instances:
        own = instance.private["images"]
        if id(own) not in begins:
            begins[id(own)] = end
            images.append(own)
            labels.append(instance.private["labels"])
            end += len(own)
    rows = torch.from_numpy(np.concatenate(images)).to(device)
    given = torch.from_numpy(np.concatenate(labels)).to(device)
    targets = torch.nn.functional.one_hot(given, CLASSES).to(torch.float32)
    return rows, targets, [begins[id(instance.private["images"])] for instance in instances]


def _plan(instance: Instance, choice: np.ndarray, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw the batches (steps, batch) and initial weights (P,) of one net.

    They depend on the instance only, so that two programs meet the same luck.
    """
    draw = rng("data_selection", "grade", instance.name, number)
    weights = initial(draw, instance.private["images"].shape[1], CLASSES, LEARNER.hidden)
    place = draw.random((LEARNER.steps, LEARNER.batch), dtype=np.float32)
    # float32 just below one may round up to len(choice).
    return choice[np.minimum((place * len(choice)).astype(np.int64), len(choice) - 1)], weights
