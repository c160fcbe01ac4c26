"""Taylor: the squared change of the loss, to first order, if a unit goes.

Source: Molchanov, Mallya, Tyree, Frosio, Kautz, "Importance Estimation for Neural Network Pruning",
2019, arXiv 1906.10771. Ours takes the sum over a unit's weights of the mean squared gradient times
the squared weight, in one shot.
"""


def saliency(layer):
    """Sum over incoming weights of their squares times their mean squared gradients."""
    return (layer["W"] ** 2 * layer["G2"]).sum(1)


def score_units(layers, sparsity):
    return [saliency(layer) for layer in layers]
