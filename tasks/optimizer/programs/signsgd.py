"""Sign descent: every weight moves by the same amount.

Source: Bernstein, Wang, Azizzadenesheli, Anandkumar, "signSGD: Compressed Optimisation for Non-Convex
Problems", 2018. Ours lets the learning rate fall linearly, as all programs here.
"""

import numpy as np

LR = 0.01


def update(g, state, t, T, p):
    return rate(t, T) * np.sign(g)


def rate(t, T):
    """A learning rate that falls linearly to zero."""
    return LR * (1 - (t - 1) / T)
