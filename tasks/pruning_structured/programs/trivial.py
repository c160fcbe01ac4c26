"""Random choice within every layer: what every other program is measured against."""

import numpy as np


def score_units(layers, sparsity):
    draw = np.random.default_rng(len(layers))
    return [draw.permutation(len(layer["W"])) / len(layer["W"]) for layer in layers]
