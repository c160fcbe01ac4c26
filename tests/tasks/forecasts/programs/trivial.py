"""The mean of all."""

import numpy as np


def forecast(series, horizon):
    return np.full(horizon, series.mean())
