"""AdamW: Adam with weight decay beside it, not inside it.

Source: Loshchilov, Hutter, "Decoupled Weight Decay Regularization", 2019. Ours lets the learning rate fall linearly, as all programs here.
"""

import numpy as np

LR, BETA1, BETA2, EPS = 0.02, 0.9, 0.999, 1e-8
DECAY = 0.1


def update(g, state, t, T, p):
    m = state["m"] = BETA1 * state.get("m", 0.0) + (1 - BETA1) * g
    v = state["v"] = BETA2 * state.get("v", 0.0) + (1 - BETA2) * g * g
    step = m / (1 - BETA1**t) / (np.sqrt(v / (1 - BETA2**t)) + EPS)
    return rate(t, T) * (step + DECAY * p)


def rate(t, T):
    """A learning rate that falls linearly to zero."""
    return LR * (1 - (t - 1) / T)
