"""FLAP: units whose contribution fluctuates stay; a constant one could become a bias.

Source: An, Zhao, Yu, Tang, Wang, "Fluctuation-based Adaptive Structured Pruning for Large Language
Models", 2024, arXiv 2312.11983. Scores are standardised within layers and ranked over all, as in the
paper; ours has no bias compensation.
"""

import numpy as np


def saliency(layer):
    """Variance of the unit times the squared norm of the weights that read it."""
    variance = np.maximum(layer["a_norm"] ** 2 - layer["a_mean"] ** 2, 0)
    return variance * (layer["W_next"] ** 2).sum(1)


def standard(layer, s):
    """Saliencies less their layer's mean, in units of its spread."""
    return (s - s.mean()) / (s.std() + 1e-12)


def score_units(layers, sparsity):
    return [standard(layer, saliency(layer)) for layer in layers]
