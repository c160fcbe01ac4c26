"""Beta-Rank: a channel counts by its weights together with what goes in and comes out.

Source: "Beta-Rank: A Robust Convolutional Filter Pruning Method for Imbalanced Medical Image
Analysis", 2023, arXiv 2304.07461. The paper averages a filter's norm with the norms of its inputs and outputs;
ours multiplies root mean squares, in units of each layer.
"""

import numpy as np


def saliency(layer):
    """Incoming contribution times the size of the output, as it is read."""
    incoming = np.sqrt(((layer["W"] * layer["x_norm"]) ** 2).sum(1))
    return incoming * layer["a_norm"] ** 1.0


def scaled(layer, s):
    """Saliencies relative to their layer's root mean square."""
    return s / (np.sqrt(np.mean(s**2)) + 1e-12)


def score_units(layers, sparsity):
    return [scaled(layer, saliency(layer)) for layer in layers]
