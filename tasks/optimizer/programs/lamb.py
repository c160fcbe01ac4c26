"""LAMB: Adam's step of each tensor scaled to the size of its weights.

Source: You et al., "Large Batch Optimization for Deep Learning: Training BERT in 76 Minutes", 2020.
Ours takes a step as it is where the weights are all zero. Ours lets the learning rate fall linearly, as all programs here.
"""

import numpy as np

LR, BETA1, BETA2, EPS = 0.01, 0.9, 0.999, 1e-6
DECAY = 0.01


def update(g, state, t, T, p):
    m = state["m"] = BETA1 * state.get("m", 0.0) + (1 - BETA1) * g
    v = state["v"] = BETA2 * state.get("v", 0.0) + (1 - BETA2) * g * g
    step = m / (1 - BETA1**t) / (np.sqrt(v / (1 - BETA2**t)) + EPS) + DECAY * p
    size, length = np.linalg.norm(p), np.linalg.norm(step)
    trust = size / length if size > 0 and length > 0 else 1.0
    return rate(t, T) * trust * step


def rate(t, T):
    """A learning rate that falls linearly to zero."""
    return LR * (1 - (t - 1) / T)
