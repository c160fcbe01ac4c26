"""Adagrad: each weight is divided by the root of all its squared gradients so far.

Source: Duchi, Hazan, Singer, "Adaptive Subgradient Methods for Online Learning and Stochastic
Optimization", 2011. Ours lets the learning rate fall linearly, as all programs here.
"""

import numpy as np

LR, EPS = 0.1, 1e-8


def update(g, state, t, T, p):
    total = state["total"] = state.get("total", 0.0) + g * g
    return rate(t, T) * g / (np.sqrt(total) + EPS)


def rate(t, T):
    """A learning rate that falls linearly to zero."""
    return LR * (1 - (t - 1) / T)
