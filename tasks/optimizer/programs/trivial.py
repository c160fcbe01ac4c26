"""The plain gradient at a small constant rate."""

LR = 0.01


def update(g, state, t, T, p):
    return LR * g
