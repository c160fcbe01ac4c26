"""What came after the most similar stretch, moved to where the series ends."""

import numpy as np


def forecast(series, horizon):
    width = 5
    latest = series[-width:] - series[-1]
    best, distance = 0, np.inf
    for start in range(len(series) - width - horizon):
        stretch = series[start : start + width]
        difference = ((stretch - stretch[-1] - latest) ** 2).sum()
        if difference < distance:
            best, distance = start, difference
    after = series[best + width : best + width + horizon]
    return series[-1] + after - series[best + width - 1]
