"""Optimal brain damage, by layers: the squared error of a layer's outputs that a removal causes.

Source: LeCun, Denker, Solla, "Optimal Brain Damage", 1989. The paper takes the diagonal of the
loss's second derivatives; ours that of each layer's own squared error, which is the mean square of
the input.
"""

import numpy as np


def saliency(layer):
    """Square of the weight times mean square of its input."""
    return layer["W"] ** 2 * np.diag(layer["H"])


def score(layers, sparsity):
    return [saliency(layer) for layer in layers]
