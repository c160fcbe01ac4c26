"""Wanda, compared in every layer: weight times activation, all layers losing the same share.

Source: Sun, Liu, Bair, Kolter, "A Simple and Effective Pruning Approach for Large Language Models",
2023, arXiv 2306.11695. The paper compares
within outputs for language models and within layers for image models; this is the latter.
"""

import numpy as np


def saliency(layer):
    """The size of the weight times the root mean square of its input."""
    return np.abs(layer["W"]) * layer["x_norm"] ** 1.0


def place(layer, s):
    """The rank of every weight in its layer, from 0 to 1."""
    order = np.argsort(np.argsort(s, axis=None, kind="stable"), kind="stable")
    return (order / s.size).reshape(s.shape)


def score(layers, sparsity):
    return [place(layer, saliency(layer)) for layer in layers]
