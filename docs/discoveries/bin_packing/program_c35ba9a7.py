# Discovered by evolve 0.1.0 on the task bin_packing (f89574d0fb33).
# Run published-1-f89574, step 214, operator tune, parents [186].
# Fitness -0.653448 on 8 training instances, believed -0.663118 after 20 fresh ones.
# Program c35ba9a704f228c3be4e42b44ded2bda.
# All that is known of it stands in provenance.json.

"""EoH's rule: nearly exact fits first, else the room left times how full the bin would be, changed by search."""

import numpy as np


def ranks(values):
    """Ranks from 0 to 1, the highest value at 1."""
    return (np.argsort(np.argsort(values, kind='stable'), kind='stable') + 1) / len(values)


def score(item, bins):
    rest = bins - item
    decay = np.exp(rest)
    combined = (1 - rest / bins) * np.sqrt(rest)
    adjusted = ranks(np.where(rest > item * 3, combined + 0.824, combined + 0.298)) + 2.92 * ranks(-np.abs((bins - item) / bins.max() - 0.433))
    return bins / ((decay + 0.678) * decay) + adjusted
