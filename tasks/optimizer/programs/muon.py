"""Muon: momentum of each matrix with all its singular values set to about one.

Source: Jordan et al., "Muon: An Optimizer for Hidden Layers in Neural Networks", 2024, with its five
Newton-Schulz steps. Ours takes it for all matrices and Adam for vectors. Ours lets the learning rate fall linearly, as all programs here.
"""

import numpy as np

LR, BETA = 0.05, 0.9
LR_VECTOR, BETA1, BETA2, EPS = 0.01, 0.9, 0.999, 1e-8
A, B, C = 3.4445, -4.775, 2.0315
ROUNDS = 5


def update(g, state, t, T, p):
    fall = 1 - (t - 1) / T
    if g.ndim < 2:
        return LR_VECTOR * fall * adam(g, state, t)
    m = state["m"] = BETA * state.get("m", 0.0) + g
    return LR * fall * orthogonal(g + BETA * m) * max(1, g.shape[1] / g.shape[0]) ** 0.5


def orthogonal(m):
    """The nearest matrix with singular values about one, by a polynomial."""
    x = m / (np.linalg.norm(m) + 1e-7)
    tall = x.shape[0] > x.shape[1]
    if tall:
        x = x.T
    for _ in range(ROUNDS):
        square = x @ x.T
        x = A * x + (B * square + C * square @ square) @ x
    return x.T if tall else x


def adam(g, state, t):
    m = state["m"] = BETA1 * state.get("m", 0.0) + (1 - BETA1) * g
    v = state["v"] = BETA2 * state.get("v", 0.0) + (1 - BETA2) * g * g
    return m / (1 - BETA1**t) / (np.sqrt(v / (1 - BETA2**t)) + EPS)
