"""Pruning: which weights of a small trained net can go, and the net still does its work.

An instance is one net at one sparsity. What a criterion keeps is graded by the share of the dense
net's quality that is left on examples that neither the net nor the criterion has seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from evolve.task import Grade, Instance, Invalid

from .behaviour import feedback, gradient_ranks, measures
from .blocks import nets_of
from .own import OwnNet, own_nets, sparsities
from .probes import probes
from .trained import FineTuning, TrainedNet

SPARSITIES = {
    "mlp": (0.8, 0.9, 0.95, 0.98),
    "cnn": (0.6, 0.8, 0.9, 0.95),
    "lm": (0.3, 0.5, 0.6, 0.7),
}


def instances(split: str, settings: Any, block: int = 0) -> Iterator[Instance]:
    """Give the instances of a split: nets x sparsities, or the few small ones of `probe`."""
    own = sparsities(settings.net.sparsities)
    nets = own_nets if settings.net.path else nets_of
    if split == "probe":
        yield from probes(settings.pattern, lambda: nets("train", settings, 0))
        return
    for net, layers in nets(split, settings, block):
        ranks = gradient_ranks(layers)
        for sparsity in SPARSITIES.get(net.family, own):
            yield at_sparsity(net, layers, ranks, sparsity, settings)


def at_sparsity(
    net: TrainedNet | OwnNet,
    layers: list[dict[str, Any]],
    ranks: list[np.ndarray],
    sparsity: float,
    settings: Any,
) -> Instance:
    """Give the instance of a net at one sparsity."""
    return Instance(
        name=f"{net.name}-{sparsity:g}",
        public={"layers": layers, "sparsity": sparsity, "pattern": settings.pattern},
        private={"net": net, "ranks": ranks, "finetune_steps": settings.finetune_steps},
        groups={"family": net.family, "sparsity": f"{net.family} {sparsity:g}"},
        unit=net.name,
    )


def grade(instance: Instance, output: Any) -> Grade:
    """Grade the masks of one net. Raises: Invalid if they are none, or keep too much."""
    masks = _masks(instance, output)
    steps = instance.private["finetune_steps"]
    score = instance.private["net"].recovered(masks, FineTuning(steps) if steps else None)
    found = measures(instance.private["ranks"], masks)
    return Grade(score=score, measures=found, feedback=feedback(instance, score, masks))


def _masks(instance: Instance, output: Any) -> list[np.ndarray]:
    """Give the masks as truth values. Raises: Invalid."""
    shapes = [layer["W"].shape for layer in instance.public["layers"]]
    if not isinstance(output, list) or len(output) != len(shapes):
        raise Invalid(f"{instance.name}: give a list of {len(shapes)} masks, one per layer")
    masks = []
    for number, (part, shape) in enumerate(zip(output, shapes, strict=True)):
        mask = np.asarray(part)
        if mask.shape != shape or mask.dtype.kind not in "biuf":
            raise Invalid(
                f"{instance.name}: mask {number} is {mask.dtype} of shape {mask.shape}: "
                f"give truth values of shape {shape}"
            )
        masks.append(mask.astype(bool))
    size = sum(mask.size for mask in masks)
    most = size - round(instance.public["sparsity"] * size)
    kept = sum(int(mask.sum()) for mask in masks)
    if kept > most:
        raise Invalid(f"{instance.name}: {kept} weights stay: at most {most} may")
    return masks
