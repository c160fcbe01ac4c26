"""The line through the latest values goes on."""

import numpy as np


def forecast(series, horizon):
    recent = series[-12:]
    time = np.arange(len(recent))
    slope, start = np.polyfit(time, recent, 1)
    return start + slope * (len(recent) + np.arange(horizon))
