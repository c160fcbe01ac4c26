"""Pruning: which weights of a small trained net can go, and the net still does its work.

An instance is one net at one sparsity. What a criterion keeps is graded by the share of the dense
net's quality that is left on examples that neither the net nor the criterion has seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from evolve.task import Grade, Instance, Invalid, Unusable

from .behaviour import feedback, gradient_ranks, measures
from .blocks import nets_of
from .own import own_nets
from .probes import probes
from .trained import FineTuning

UNITS = "units"  # the pattern whose masks are of units, not weights
PATTERNS = "weights", UNITS


def instances(split: str, settings: Any, block: int = 0) -> Iterator[Instance]:
    """Give the instances of a split: nets x sparsities, or the few small ones of `probe`."""
    nets = own_nets if settings.net.path else nets_of
    if split == "probe":
        yield from probes(settings.pattern, lambda: nets("train", settings, 0))
        return
    tuning = FineTuning(settings.finetune_steps, settings.finetune_rate)
    for net, layers in nets(split, settings, block):
        ranks = gradient_ranks(layers, settings.pattern == UNITS)
        for pattern, sparsity in cuts(net.family, settings):
            yield Instance(
                name=f"{net.name}-{pattern if ':' in pattern else f'{sparsity:g}'}",
                public={"layers": layers, "sparsity": sparsity, "pattern": pattern},
                private={"net": net, "ranks": ranks, "tuning": tuning},
                groups={"family": net.family, "sparsity": f"{net.family} {sparsity:g}"},
                unit=net.name,
            )


def cuts(family: str, settings: Any) -> list[tuple[str, float]]:
    """Give (pattern, sparsity) of every instance of a net of a family."""
    if ":" in settings.pattern:
        return [(pattern, 1 - _share(pattern)) for pattern in settings.pattern.split()]
    if settings.pattern not in PATTERNS:
        raise Unusable(f'pattern is "{settings.pattern}": write weights, or groups such as "1:4"')
    shares = _sparsities(f"sparsities.{family}", getattr(settings.sparsities, family))
    return [(settings.pattern, share) for share in shares]


def grade(instance: Instance, output: Any) -> Grade:
    """Grade the masks of one net. Raises: Invalid if they are none, or keep too much."""
    masks = _masks(instance, output)
    score = instance.private["net"].recovered(masks, instance.private["tuning"])
    found = measures(instance.private["ranks"], masks)
    return Grade(score=score, measures=found, feedback=feedback(instance, score, masks))


def _masks(instance: Instance, output: Any) -> list[np.ndarray]:
    """Give the masks as truth values. Raises: Invalid."""
    pattern = instance.public["pattern"]
    shapes = [layer["W"].shape for layer in instance.public["layers"]]
    if pattern == UNITS:
        shapes = [shape[:1] for shape in shapes]
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
    if ":" in pattern:
        _check_groups(instance, masks, *map(int, pattern.split(":")))
        return masks
    size = sum(mask.size for mask in masks)
    most = size - round(instance.public["sparsity"] * size)
    kept = sum(int(mask.sum()) for mask in masks)
    if kept > most:
        raise Invalid(f"{instance.name}: {kept} {pattern} stay: at most {most} may")
    return masks


def _check_groups(instance: Instance, masks: list[np.ndarray], keep: int, group: int) -> None:
    """Raises: Invalid where more than `keep` of `group` neighbours in a row stay."""
    for number, mask in enumerate(masks):
        most = int(np.add.reduceat(mask, np.arange(0, mask.shape[1], group), axis=1).max())
        if most > keep:
            raise Invalid(f"{instance.name}: mask {number} keeps {most} of {group} neighbours")


def _share(pattern: str) -> float:
    keep, _, group = pattern.partition(":")
    if not (keep.isdecimal() and group.isdecimal() and 0 < int(keep) < int(group)):
        raise Unusable(f'pattern "{pattern}": of 4 neighbours 1 stays in "1:4"')
    return int(keep) / int(group)


def _sparsities(setting: str, text: str) -> tuple[float, ...]:
    """Read "0.5 0.8" of a setting of this name. Raises: Unusable."""
    try:
        found = tuple(float(part) for part in text.split())
    except ValueError:
        found = ()
    if not found or not all(0 < each < 1 for each in found) or len(set(found)) < len(found):
        raise Unusable(
            f'{setting} is "{text}": write different numbers between 0 and 1, as "0.5 0.8"'
        )
    return found
