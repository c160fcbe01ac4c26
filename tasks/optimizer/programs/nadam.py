"""NAdam: Adam that looks one step of momentum ahead.

Source: Dozat, "Incorporating Nesterov Momentum into Adam", 2016. Ours keeps the momentum constant. Ours lets the learning rate fall linearly, as all programs here.
"""

import numpy as np

LR, BETA1, BETA2, EPS = 0.02, 0.9, 0.999, 1e-8


def update(g, state, t, T, p):
    m = state["m"] = BETA1 * state.get("m", 0.0) + (1 - BETA1) * g
    v = state["v"] = BETA2 * state.get("v", 0.0) + (1 - BETA2) * g * g
    ahead = BETA1 * m / (1 - BETA1 ** (t + 1)) + (1 - BETA1) * g / (1 - BETA1**t)
    return rate(t, T) * ahead / (np.sqrt(v / (1 - BETA2**t)) + EPS)


def rate(t, T):
    """A learning rate that falls linearly to zero."""
    return LR * (1 - (t - 1) / T)
