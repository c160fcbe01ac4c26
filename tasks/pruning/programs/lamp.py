"""LAMP: a weight's square, as a share of the squares in its layer that are at least as large.

Source: Lee, Park, Mo, Ahn, Shin, "Layer-adaptive Sparsity for the Magnitude-based Pruning", 2021,
arXiv 2010.07611. As in the paper, but in one shot.
"""

import numpy as np


def saliency(layer):
    """The size of the weight."""
    return np.abs(layer["W"])


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
