"""ModHiFi's subset fidelity for units: how much of what the readers get does one unit explain.

Source: "ModHiFi: Identifying High Fidelity predictive components for Model Modification", 2025. The
paper takes synthetic data, and the fidelity of components in the next layer; ours takes the size of
what a unit sends on as a share of all that its layer sends, on the calibration examples.
"""


def saliency(layer):
    """Share of the power that the readers of this layer get."""
    power = layer["a_norm"] ** 2 * (layer["W_next"] ** 2).sum(1)
    return power / (power.sum() + 1e-30)


def score_units(layers, sparsity):
    return [saliency(layer) for layer in layers]
