"""Upper reference: distinct documents of the target's domain, then other texts at random."""

import numpy as np

IN_DOMAIN, OTHER = 1, 0


def select(docs, target, k, rng, feats, private):
    _, first = np.unique(private["group"], return_index=True)
    first = rng.permutation(first)
    origin = private["origin"][first]
    return np.concatenate([first[origin == IN_DOMAIN], first[origin == OTHER]])[:k]
