"""QuickSelection's strength: how much weight leaves a unit.

Source: Atashgahi, Sokar, van der Lee, Mocanu, Mocanu, Veldhuis, Pechenizkiy, "Quick and Robust
Feature Selection: the Strength of Energy-efficient Sparse Training for Autoencoders", 2022,
arXiv 2012.00560. The paper selects the inputs of a sparse autoencoder; ours hidden units.
"""

import numpy as np


def saliency(layer):
    """Sum of the sizes of the weights that read the unit."""
    return np.abs(layer["W_next"]).sum(1)


def scaled(layer, s):
    """Saliencies relative to their layer's root mean square."""
    return s / (np.sqrt(np.mean(s**2)) + 1e-12)


def score_units(layers, sparsity):
    return [scaled(layer, saliency(layer)) for layer in layers]
