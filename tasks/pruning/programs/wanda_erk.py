"""Wanda + ERK: weight times activation within a layer, densities by the layers' shapes.

Source: Sun, Liu, Bair, Kolter, "A Simple and Effective Pruning Approach for Large Language Models",
2023, arXiv 2306.11695; Evci, Gale, Menick,
Castro, Elsen, "Rigging the Lottery: Making All Tickets Winners", 2020, arXiv 1911.11134 for the
densities. The combination is ours.
"""

import numpy as np


def saliency(layer):
    """The size of the weight times the root mean square of its input."""
    return np.abs(layer["W"]) * layer["x_norm"] ** 1.0


def place(s):
    """How many weights of the layer come before each, as a share of the layer."""
    order = np.argsort(np.argsort(-s, axis=None, kind="stable"), kind="stable")
    return (order / s.size).reshape(s.shape)


def densities(layers, sparsity):
    """The share that every layer keeps: ERK's weight times one factor, and 1 at most."""
    sizes = np.array([layer["W"].size for layer in layers])
    weights = np.array([erk(layer) for layer in layers])
    full = np.zeros(len(layers), dtype=bool)
    for _ in layers:
        budget = (1 - sparsity) * sizes.sum() - sizes[full].sum()
        found = np.where(full, 1.0, weights * budget / max((sizes * weights)[~full].sum(), 1e-30))
        if (found <= 1).all():
            break
        full |= found > 1
    return np.clip(found, 1e-6, 1)


def erk(layer):
    """The sum of a layer's sizes over their product."""
    out, fan_in = layer["W"].shape
    sides = [3, 3] if layer["kind"] == "conv" else []
    sizes = [out, fan_in // 9 if sides else fan_in, *sides]
    return np.sum(sizes) / np.prod(sizes)


def score(layers, sparsity):
    kept = densities(layers, sparsity)
    return [-place(saliency(layer)) / share for layer, share in zip(layers, kept, strict=True)]
