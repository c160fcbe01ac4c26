"""Wanda, compared in every row: weight times activation, all outputs losing the same share.

Source: Sun, Liu, Bair, Kolter, "A Simple and Effective Pruning Approach for Large Language Models",
2023, arXiv 2306.11695. As in the paper for language models.
"""

import numpy as np


def saliency(layer):
    """The size of the weight times the root mean square of its input."""
    return np.abs(layer["W"]) * layer["x_norm"] ** 1.0


def place(layer, s):
    """The rank of every weight among those of its output, from 0 to 1."""
    order = np.argsort(np.argsort(s, axis=1, kind="stable"), axis=1, kind="stable")
    return order / s.shape[1]


def score(layers, sparsity):
    return [place(layer, saliency(layer)) for layer in layers]
