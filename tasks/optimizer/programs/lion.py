"""Lion: the sign of a mix of momentum and gradient; found by program search.

Source: Chen et al., "Symbolic Discovery of Optimization Algorithms", 2023, arXiv 2302.06675, algorithm
2. Ours lets the learning rate fall linearly, as all programs here.
"""

import numpy as np

LR, BETA1, BETA2, DECAY = 0.005, 0.9, 0.99, 0.1


def update(g, state, t, T, p):
    m = state.get("m", 0.0)
    step = np.sign(BETA1 * m + (1 - BETA1) * g)
    state["m"] = BETA2 * m + (1 - BETA2) * g
    return rate(t, T) * (step + DECAY * p)


def rate(t, T):
    """A learning rate that falls linearly to zero."""
    return LR * (1 - (t - 1) / T)
