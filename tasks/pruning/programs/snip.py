"""SNIP: the size of weight times gradient, how fast the loss changes as a weight goes.

Source: Lee, Ajanthan, Torr, "SNIP: Single-shot Network Pruning based on Connection Sensitivity",
2019, arXiv 1810.02340. The paper prunes before training; ours is told the mean gradient of the
trained net.
"""

import numpy as np


def saliency(layer):
    """Weight times mean gradient, without its sign."""
    return np.abs(layer["W"] * layer["G"])


def score(layers, sparsity):
    return [saliency(layer) for layer in layers]
