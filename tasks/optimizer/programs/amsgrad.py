"""AMSGrad: Adam whose mean square never falls.

Source: Reddi, Kale, Kumar, "On the Convergence of Adam and Beyond", 2018. Ours lets the learning rate fall linearly, as all programs here.
"""

import numpy as np

LR, BETA1, BETA2, EPS = 0.03, 0.9, 0.99, 1e-8


def update(g, state, t, T, p):
    m = state["m"] = BETA1 * state.get("m", 0.0) + (1 - BETA1) * g
    v = state["v"] = BETA2 * state.get("v", 0.0) + (1 - BETA2) * g * g
    top = state["top"] = np.maximum(state.get("top", 0.0), v / (1 - BETA2**t))
    return rate(t, T) * m / (1 - BETA1**t) / (np.sqrt(top) + EPS)


def rate(t, T):
    """A learning rate that falls linearly to zero."""
    return LR * (1 - (t - 1) / T)
