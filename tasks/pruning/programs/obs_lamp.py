"""Optimal brain surgeon + LAMP: the error that stays when the other weights could make up for one.

Source: Hassibi, Stork, "Second Order Derivatives for Network Pruning: Optimal Brain Surgeon", 1992;
by layers as in Frantar, Alistarh, "SparseGPT: Massive Language Models Can Be Accurately Pruned in
One-Shot", 2023, arXiv 2301.00774; LAMP from Lee, Park, Mo, Ahn, Shin, 2021, arXiv 2010.07611. Ours
updates no weight, for masks are all that a criterion gives here.
"""

import numpy as np


def saliency(layer):
    """The size of the weight over the root of its entry in the inverse second moment."""
    damping = 0.01
    second = layer["H"].astype(np.float64)
    second = second + np.eye(len(second)) * (damping * np.trace(second) / len(second) + 1e-12)
    return np.abs(layer["W"]) / np.sqrt(np.diag(np.linalg.inv(second)))


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
