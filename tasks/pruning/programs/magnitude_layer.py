"""Magnitude in every layer by itself: all layers lose the same share.

Source: Han, Pool, Tran, Dally, "Learning both Weights and Connections for Efficient Neural
Networks", 2015, arXiv 1506.02626. The paper sets a threshold for every layer by hand and retrains;
ours gives all layers one density, in one shot.
"""

import numpy as np


def saliency(layer):
    """The size of the weight."""
    return np.abs(layer["W"])


def place(layer, s):
    """The rank of every weight in its layer, from 0 to 1."""
    order = np.argsort(np.argsort(s, axis=None, kind="stable"), kind="stable")
    return (order / s.size).reshape(s.shape)


def score(layers, sparsity):
    return [place(layer, saliency(layer)) for layer in layers]
