"""Fisher: the loss that a weight's removal costs, by the diagonal of the empirical Fisher matrix.

Source: Theis, Korshunova, Tejani, Huszar, "Faster gaze prediction with dense networks and Fisher
pruning", 2018, arXiv 1801.05787. Ours takes single weights, and removes all at once.
"""


def saliency(layer):
    """Square of the weight times mean square of its gradient."""
    return layer["W"] ** 2 * layer["G2"]


def score(layers, sparsity):
    return [saliency(layer) for layer in layers]
