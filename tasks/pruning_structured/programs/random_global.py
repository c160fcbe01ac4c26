"""Random over the whole net: layers lose shares that only chance decides.

What `trivial` is within layers; it tells how much the shares matter. Source of the comparison: Liu,
Sun, Zhou, Huang, Darrell, "Rethinking the Value of Network Pruning", 2019, arXiv 1810.05270.
"""

import numpy as np


def saliency(layer):
    """A random number that follows from the layer's name."""
    draw = np.random.default_rng([len(layer["W"]), layer["depth"]])
    return draw.random(len(layer["W"]))


def score_units(layers, sparsity):
    return [saliency(layer) for layer in layers]
