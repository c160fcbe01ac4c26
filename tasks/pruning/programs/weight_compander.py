"""Weight Compander's shaping: large weights are pressed together before they are compared.

Source: Cakaj, Mehnert, Yang, "Weight Compander: A Simple Weight Reparameterization for
Regularization", 2023, arXiv 2306.16993. The paper trains through the shaping arctan; ours shapes the
trained weights by it, in units of the layer's spread, and multiplies by the activation as Wanda does.
"""

import numpy as np


def saliency(layer):
    """Shaped size of the weight times the root mean square of its input."""
    width = 2.0
    spread = layer["W"].std() + 1e-12
    shaped = np.arctan(np.abs(layer["W"]) / (width * spread))
    return shaped * layer["x_norm"] / (np.sqrt(np.mean(layer["x_norm"] ** 2)) + 1e-12)


def score(layers, sparsity):
    return [saliency(layer) for layer in layers]
