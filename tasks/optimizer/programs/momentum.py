"""Gradient descent with momentum (the heavy ball).

Source: Polyak, "Some Methods of Speeding up the Convergence of Iteration Methods", 1964. Ours lets the learning rate fall linearly, as all programs here.
"""

LR, BETA = 0.05, 0.9


def update(g, state, t, T, p):
    m = state["m"] = BETA * state.get("m", 0.0) + g
    return rate(t, T) * m


def rate(t, T):
    """A learning rate that falls linearly to zero."""
    return LR * (1 - (t - 1) / T)
