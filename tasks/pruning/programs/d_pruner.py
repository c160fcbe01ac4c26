"""D-Pruner: what a domain's loss says of a weight, kept near what all text says of it.

Source: Zhang et al., "Pruning as a Domain-specific LLM Extractor", 2024, arXiv 2405.06275. The
domain's part is the first and second order change of its loss; the general part, which the paper
turns into a penalty of the loss, is the error after optimal brain surgeon. Ours has one set of
examples for both, and adds the parts after scaling each to mean one.
"""

import numpy as np


def saliency(layer):
    """The change of the loss, and how much of the layer's error a weight alone can mend."""
    general = 0.3
    first = np.abs(layer["G"] * layer["W"])
    second = 0.5 * layer["G2"] * layer["W"] ** 2
    domain = np.abs(first - second)
    error = surgeon(layer)
    return domain / (domain.mean() + 1e-30) + general * error / (error.mean() + 1e-30)


def surgeon(layer):
    """The weight squared over its entry in the inverse second moment."""
    damping = 0.01
    moment = layer["H"].astype(np.float64)
    moment = moment + np.eye(len(moment)) * (damping * np.trace(moment) / len(moment) + 1e-12)
    return layer["W"] ** 2 / np.diag(np.linalg.inv(moment))


def score(layers, sparsity):
    return [saliency(layer) for layer in layers]
