"""SliceGPT-like: units that lie along the strongest directions of a layer's outputs stay.

Source: Ashkboos, Croci, do Nascimento, Hoefler, Hensman, "SliceGPT: Compress Large Language Models by
Deleting Rows and Columns", 2024, arXiv 2401.15024. The paper rotates a layer into its principal
directions and cuts directions; ours cannot rotate, and scores a unit by its part in them.
"""

import numpy as np


def saliency(layer):
    """Variance of the unit that lies in the strongest half of the layer's directions."""
    share = 0.5
    weights = layer["W"].astype(np.float64)
    centred = layer["H"] - np.outer(layer["x_mean"], layer["x_mean"])
    spread = weights @ centred @ weights.T
    values, directions = np.linalg.eigh(spread)
    strong = slice(len(values) - max(int(share * len(values)), 1), None)
    return (directions[:, strong] ** 2 * np.maximum(values[strong], 0)).sum(1)


def place(layer, s):
    """The rank of every unit in its layer, from 0 to 1."""
    return np.argsort(np.argsort(s, kind="stable"), kind="stable") / len(s)


def score_units(layers, sparsity):
    return [place(layer, saliency(layer)) for layer in layers]
