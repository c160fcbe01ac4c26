"""Wanda for units: the size of what a unit sends on.

Source: Sun, Liu, Bair, Kolter, "A Simple and Effective Pruning Approach for Large Language Models",
2023, arXiv 2306.11695, for columns as a whole as in An, Zhao, Yu, Tang, Wang, "Fluctuation-based
Adaptive Structured Pruning for Large Language Models", 2024, arXiv 2312.11983, whose fluctuation is
the other program of this kind here.
"""

import numpy as np


def saliency(layer):
    """Root mean square of the unit times the norm of the weights that read it."""
    return layer["a_norm"] * np.sqrt((layer["W_next"] ** 2).sum(1))


def scaled(layer, s):
    """Saliencies relative to their layer's root mean square."""
    return s / (np.sqrt(np.mean(s**2)) + 1e-12)


def score_units(layers, sparsity):
    return [scaled(layer, saliency(layer)) for layer in layers]
