"""Magnitude over all layers at once: the largest weights of the whole net stay.

Source: Han, Pool, Tran, Dally, "Learning both Weights and Connections for Efficient Neural
Networks", 2015, arXiv 1506.02626; as the one-shot criterion of Jaiswal, Liu, Chen, Wang, "The
Emergence of Essential Sparsity in Large Pre-trained Models: The Weights that Matter", 2023,
arXiv 2306.03805. Ours does not look for the sparsity at which quality drops: it is given.
"""

import numpy as np


def saliency(layer):
    """The size of the weight."""
    return np.abs(layer["W"])


def score(layers, sparsity):
    return [saliency(layer) for layer in layers]
