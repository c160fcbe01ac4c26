"""Nesterov's accelerated gradient, as deep learning writes it.

Source: Nesterov, "A Method for Solving the Convex Programming Problem with Convergence Rate O(1/k^2)",
1983; the form of Sutskever, Martens, Dahl, Hinton, "On the Importance of Initialization and Momentum in
Deep Learning", 2013, looked at from the point ahead. Ours lets the learning rate fall linearly, as all programs here.
"""

LR, BETA = 0.05, 0.9


def update(g, state, t, T, p):
    m = state["m"] = BETA * state.get("m", 0.0) + g
    return rate(t, T) * (g + BETA * m)


def rate(t, T):
    """A learning rate that falls linearly to zero."""
    return LR * (1 - (t - 1) / T)
