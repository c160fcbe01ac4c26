"""What a criterion does, seen by its masks alone: the measures of the grid, and feedback."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from evolve.task import Instance


def measures(ranks: Sequence[np.ndarray], masks: Sequence[np.ndarray]) -> dict[str, float]:
    """Measure masks (out, fan_in) of one net, or (out,) of units.

    ranks: of every layer's weights, or units, by their mean squared gradient, from 0 to 1. Gives
    `allocation`, how unequal densities of layers are (Gini's coefficient, 0 if all are the same);
    `gradient`, the mean rank of what stays (.5 if it does not look at gradients); and, only logged,
    `cut_inputs` and `cut_outputs`, the mean shares of rows and columns that lost every weight.
    """
    kept = max(sum(int(mask.sum()) for mask in masks), 1)
    followed = sum(float(rank[mask].sum()) for rank, mask in zip(ranks, masks, strict=True))
    found = {
        "allocation": gini(np.array([mask.mean() for mask in masks])),
        "gradient": followed / kept,
    }
    if masks[0].ndim == 1:
        return found
    return found | {
        "cut_inputs": float(np.mean([(~mask.any(0)).mean() for mask in masks])),
        "cut_outputs": float(np.mean([(~mask.any(1)).mean() for mask in masks])),
    }


def gini(values: np.ndarray) -> float:
    """Give Gini's coefficient: 0 if all values are equal, near 1 if one has everything."""
    ordered = np.sort(values)
    places = 2 * np.arange(1, len(ordered) + 1) - len(ordered) - 1
    return float((places * ordered).sum() / max(len(ordered) * ordered.sum(), 1e-12))


def gradient_ranks(layers: Sequence[dict[str, Any]], units: bool = False) -> list[np.ndarray]:
    """Rank the weights, or units, of every layer by their mean squared gradient, from 0 to 1."""
    return [_ranked(layer["G2"].sum(1) if units else layer["G2"]) for layer in layers]


def feedback(instance: Instance, score: float, masks: Sequence[np.ndarray]) -> str:
    """Say in one line what was left of the net, and of each layer."""
    layers = instance.public["layers"]
    parts = ", ".join(
        f"{layer['name']} {mask.mean():.0%}" for layer, mask in zip(layers, masks, strict=True)
    )
    dead = [
        layer["name"]
        for layer, mask in zip(layers, masks, strict=True)
        if mask.ndim > 1 and (~mask.any(1)).mean() > MANY_CUT
    ]
    cut = f"; most outputs of {', '.join(dead)} are cut off" if dead else ""
    return f"{score:.0%} of the dense quality; kept of each layer: {parts}{cut}"


# From this share of outputs without any weight on, feedback names the layer.
MANY_CUT = 0.5


def _ranked(values: np.ndarray) -> np.ndarray:
    order = np.argsort(np.argsort(values, axis=None, kind="stable"), kind="stable")
    return (order / max(values.size - 1, 1)).astype(np.float32).reshape(values.shape)
