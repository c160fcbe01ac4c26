"""Adafactor: mean squares of a matrix from those of its rows and columns; steps are clipped.

Source: Shazeer, Stern, "Adafactor: Adaptive Learning Rates with Sublinear Memory Cost", 2018. Ours has
a learning rate in place of one relative to the weights. Ours lets the learning rate fall linearly, as all programs here.
"""

import numpy as np

LR, POWER, CLIP, EPS = 0.02, 0.8, 1.0, 1e-30


def update(g, state, t, T, p):
    beta = 1 - t**-POWER
    square = g * g + EPS
    if g.ndim < 2:
        v = state["v"] = beta * state.get("v", 0.0) + (1 - beta) * square
    else:
        rows = state["rows"] = beta * state.get("rows", 0.0) + (1 - beta) * square.mean(1)
        columns = state["columns"] = beta * state.get("columns", 0.0) + (1 - beta) * square.mean(0)
        v = np.outer(rows, columns) / rows.mean()
    step = g / np.sqrt(v)
    return rate(t, T) * step / max(1.0, np.sqrt(np.mean(step**2)) / CLIP)


def rate(t, T):
    """A learning rate that falls linearly to zero."""
    return LR * (1 - (t - 1) / T)
