# Discovered by evolve 0.1.0 on the task pruning (e3506a8468da).
# Run published-1-e3506a, step 229, operator insert, parents [200].
# Fitness 0.712953 on 24 training instances, not confirmed on fresh ones.
# Program d54333aded979488c2fd8b6155cb9489.
# All that is known of it stands in provenance.json.

"""LAMP: a weight's square, as a share of the squares in its layer that are at least as large, changed by search."""

import numpy as np


def column_share(layer):
    """The weight's share of the sizes in its column."""
    size = np.abs(layer['W'])
    return size / (size.sum(0) + 1e-09) + 1e-09


def factor(values):
    """Sizes relative to their mean, so that a score keeps its scale when multiplied by it."""
    sizes = np.abs(values)
    return sizes / (np.mean(sizes) + 1e-30) + 1e-06


def lamp(layer, s):
    """The square of every saliency over the sum of the squares that are not smaller."""
    squares = np.square(s * factor(column_share(layer)) ** 0.5, dtype=np.float64).ravel()
    order = np.argsort(squares, kind='stable')
    rest = np.cumsum(squares[order][::-1])[::-1]
    found = np.empty(len(squares))
    found[order] = squares[order] / np.maximum(rest, 1e-30)
    return found.reshape(s.shape)


def score(layers, sparsity):
    return [lamp(layer, np.abs(layer['W']) * factor(np.broadcast_to(layer['x_norm'], layer['W'].shape) + 1e-09) ** 0.423) for layer in layers]
