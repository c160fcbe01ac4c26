"""Filter norms: units with small incoming weights go, the same share of every layer.

Source: Li, Kadav, Durdanovic, Samet, Graf, "Pruning Filters for Efficient ConvNets", 2017,
arXiv 1608.08710. The paper looks for each layer's share by its sensitivity; ours gives all one.
"""

import numpy as np


def saliency(layer):
    """Sum of the sizes of the incoming weights."""
    return np.abs(layer["W"]).sum(1)


def place(layer, s):
    """The rank of every unit in its layer, from 0 to 1."""
    return np.argsort(np.argsort(s, kind="stable"), kind="stable") / len(s)


def score_units(layers, sparsity):
    return [place(layer, saliency(layer)) for layer in layers]
