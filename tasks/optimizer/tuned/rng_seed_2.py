"""RMSProp: the gradient over the root of its recent mean square, changed by search."""

import numpy as np

LR, BETA, EPS = (0.0168, 0.931, 1e-08)


def update(g, state, t, T, p):
    v = state['v'] = BETA * state.get('v', 0.0) + (1 - BETA) * g * g
    return LR * (1 - (t - 1) / T) * g / (np.sqrt(v) + EPS)
