"""AdaBelief: Adam that divides by how far gradients are from what was expected of them.

Source: Zhuang et al., "AdaBelief Optimizer: Adapting Stepsizes by the Belief in Observed Gradients",
2020. Ours lets the learning rate fall linearly, as all programs here.
"""

import numpy as np

LR, BETA1, BETA2, EPS = 0.02, 0.9, 0.999, 1e-8


def update(g, state, t, T, p):
    m = state["m"] = BETA1 * state.get("m", 0.0) + (1 - BETA1) * g
    s = state["s"] = BETA2 * state.get("s", 0.0) + (1 - BETA2) * (g - m) ** 2 + EPS
    return rate(t, T) * m / (1 - BETA1**t) / (np.sqrt(s / (1 - BETA2**t)) + EPS)


def rate(t, T):
    """A learning rate that falls linearly to zero."""
    return LR * (1 - (t - 1) / T)
