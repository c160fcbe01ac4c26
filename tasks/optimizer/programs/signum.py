"""Signum: the sign of the momentum.

Source: Bernstein, Wang, Azizzadenesheli, Anandkumar, "signSGD: Compressed Optimisation for Non-Convex
Problems", 2018. Ours lets the learning rate fall linearly, as all programs here.
"""

import numpy as np

LR, BETA = 0.005, 0.9


def update(g, state, t, T, p):
    m = state["m"] = BETA * state.get("m", 0.0) + (1 - BETA) * g
    return rate(t, T) * np.sign(m)


def rate(t, T):
    """A learning rate that falls linearly to zero."""
    return LR * (1 - (t - 1) / T)
