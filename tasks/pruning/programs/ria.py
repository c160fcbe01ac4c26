"""RIA: a weight relative to its row and its column, times the root of the activation.

Source: Zhang, Bai, Lin, Zhao, Hou, Cannistraci, "Plug-and-Play: An Efficient Post-training Pruning
Method for Large Language Models", 2024. Ours has no channel permutation, and compares within layers.
"""

import numpy as np


def saliency(layer):
    """Share of the row's and of the column's weight, times a power of the input's size."""
    size = np.abs(layer["W"])
    relative = size / (size.sum(1, keepdims=True) + 1e-12) + size / (size.sum(0) + 1e-12)
    return relative * layer["x_norm"] ** 0.5


def place(layer, s):
    """The rank of every weight in its layer, from 0 to 1."""
    order = np.argsort(np.argsort(s, axis=None, kind="stable"), kind="stable")
    return (order / s.size).reshape(s.shape)


def score(layers, sparsity):
    return [place(layer, saliency(layer)) for layer in layers]
