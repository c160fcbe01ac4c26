"""RMSProp: the gradient over the root of its recent mean square.

Source: Tieleman, Hinton, "Lecture 6.5: RMSProp", 2012. Ours lets the learning rate fall linearly, as all programs here.
"""

import numpy as np

LR, BETA, EPS = 0.02, 0.9, 1e-8


def update(g, state, t, T, p):
    v = state["v"] = BETA * state.get("v", 0.0) + (1 - BETA) * g * g
    return rate(t, T) * g / (np.sqrt(v) + EPS)


def rate(t, T):
    """A learning rate that falls linearly to zero."""
    return LR * (1 - (t - 1) / T)
