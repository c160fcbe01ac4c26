"""Pruner-Zero's discovered metric: the weight squared times its gradient, scaled to 0..1.

Source: Dong, Li, Tang, Liu, Pan, Wang, Chu, "Pruner-Zero: Evolving Symbolic Pruning Metric from
scratch for Large Language Models", 2024, arXiv 2406.02924. The metric is |W| |W| mms(|G|), where mms
scales a layer's gradients to 0..1; compared within outputs as in the paper. G is the mean gradient
on the calibration examples.
"""

import numpy as np


def saliency(layer):
    """The weight squared, times its gradient scaled from 0 to 1 in the layer."""
    slope = np.abs(layer["G"])
    spread = slope.max() - slope.min()
    return layer["W"] ** 2 * (slope - slope.min()) / (spread + 1e-12)


def place(layer, s):
    """The rank of every weight among those of its output, from 0 to 1."""
    order = np.argsort(np.argsort(s, axis=1, kind="stable"), axis=1, kind="stable")
    return order / s.shape[1]


def score(layers, sparsity):
    return [place(layer, saliency(layer)) for layer in layers]
