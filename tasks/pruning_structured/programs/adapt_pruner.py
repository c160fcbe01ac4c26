"""Adapt-Pruner's allocation: layers that change less what passes through lose more.

Source: "Adapt-Pruner: Adaptive Structural Pruning for Efficient Small Language Model Training", 2025,
arXiv 2502.03460. The paper measures a layer by how far its output turns from its input, and prunes
by Taylor's criterion within it, in many small steps with training between; ours measures it by how
unequal its units' contributions are, in one shot.
"""

import numpy as np


def saliency(layer):
    """First order change of the loss if the unit goes."""
    return np.abs((layer["W"] * layer["G"]).sum(1)) + np.sqrt(
        (layer["W"] ** 2 * layer["G2"]).sum(1)
    )


def importance(layer):
    """How far units of a layer do different work: effective share of directions, from 0 to 1."""
    weights = layer["W"].astype(np.float64)
    values = np.linalg.eigvalsh(weights @ layer["H"] @ weights.T)
    part = np.maximum(values, 0) / (np.maximum(values, 0).sum() + 1e-30)
    return 1 / (part**2).sum() / len(part)


def place(layer, s):
    """The rank of every unit in its layer, from 0 to 1."""
    return np.argsort(np.argsort(s, kind="stable"), kind="stable") / len(s)


def score_units(layers, sparsity):
    amplitude = 0.5
    worth = np.array([importance(layer) for layer in layers])
    worth = worth / (worth.mean() + 1e-12)
    found = [place(layer, saliency(layer)) for layer in layers]
    return [rank + amplitude * (each - 1) for rank, each in zip(found, worth, strict=True)]
