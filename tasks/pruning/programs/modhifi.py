"""ModHiFi's subset fidelity: how much of an output one of its weights alone reproduces.

Source: "ModHiFi: Identifying High Fidelity predictive components for Model
Modification", 2025. The paper scores whole components from synthetic data; ours scores the parts
that single weights add to an output, with their correlations on the calibration examples.
"""

import numpy as np


def saliency(layer):
    """Power of an output that is left if all but this weight go, as a share: 1 - error / power."""
    weights, second = layer["W"].astype(np.float64), layer["H"].astype(np.float64)
    alike = weights @ second
    power = (weights * alike).sum(1, keepdims=True) + 1e-12
    return (2 * weights * alike - weights**2 * np.diag(second)) / power


def score(layers, sparsity):
    return [saliency(layer) for layer in layers]
