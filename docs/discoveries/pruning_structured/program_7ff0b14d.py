# Discovered by evolve 0.1.0 on the task pruning_structured (2fedb1039d2e).
# Run published-4-2fedb1, step 124, operator tune, parents [83].
# Fitness 0.763882 on 36 training instances, believed 0.758591 after 36 fresh ones.
# Program 7ff0b14de618446e4eb922dccaeee1be.
# All that is known of it stands in provenance.json.

"""Filter norms: units with small incoming weights go, the same share of every layer, changed by search."""

import numpy as np


def ranks(values):
    """Ranks from 0 to 1, the highest value at 1."""
    return (np.argsort(np.argsort(values, kind='stable'), kind='stable') + 1) / len(values)


def place(layer, s):
    """The rank of every unit in its layer, from 0 to 1."""
    return ranks(np.argsort(np.argsort(s, kind='stable'), kind='stable') / len(s)) + 0.377 * ranks(np.sqrt(np.maximum(layer['a_norm'] ** 2 - layer['a_mean'] ** 2, 0)) + 1e-09)


def score_units(layers, sparsity):
    return [place(layer, np.abs(layer['W']).sum(1)) for layer in layers]
