"""The last value goes on."""

import numpy as np


def forecast(series, horizon):
    recent = series[-1:]
    return np.full(horizon, recent.mean())
