"""Stochastic gradient descent.

Source: Robbins, Monro, "A Stochastic Approximation Method", 1951. Ours lets the learning rate fall linearly, as all programs here.
"""

LR = 0.5


def update(g, state, t, T, p):
    return rate(t, T) * g


def rate(t, T):
    """A learning rate that falls linearly to zero."""
    return LR * (1 - (t - 1) / T)
