"""Wanda + LAMP: weight times activation within a layer, LAMP's shares between layers.

Source: Sun, Liu, Bair, Kolter, "A Simple and Effective Pruning Approach for Large Language Models",
2023, arXiv 2306.11695; Lee, Park, Mo, Ahn, Shin, "Layer-adaptive
Sparsity for the Magnitude-based Pruning", 2021, arXiv 2010.07611.
The combination is ours.
"""

import numpy as np


def saliency(layer):
    """The size of the weight times the root mean square of its input."""
    return np.abs(layer["W"]) * layer["x_norm"] ** 1.0


def lamp(layer, s):
    """The square of every saliency over the sum of the squares that are not smaller."""
    squares = np.square(s, dtype=np.float64).ravel()
    order = np.argsort(squares, kind="stable")
    rest = np.cumsum(squares[order][::-1])[::-1]
    found = np.empty(len(squares))
    found[order] = squares[order] / np.maximum(rest, 1e-30)
    return found.reshape(s.shape)


def score(layers, sparsity):
    return [lamp(layer, saliency(layer)) for layer in layers]
