"""DPM-Solver++(3M): the newest three predictions, by divided differences.

Source: Lu, Zhou, Bao, Chen, Li, Zhu, "DPM-Solver++: Fast Solver for Guided Sampling of Diffusion
Probabilistic Models", 2022, arXiv 2211.01095, appendix. Ours uses lower orders at the first steps and,
as its code does where calls are few, at the last.
"""

import numpy as np

POWER = 1.0
FIRST, SECOND = 1.0, 1.0


def solve(model, x, nfe, lam0, lam1):
    lams = schedule(nfe, lam0, lam1)
    told = []
    for number in range(nfe):
        here, there = lams[number], lams[number + 1]
        told.append(model(x, here))
        order = min(3, len(told), nfe - number)
        x = step(x, told[-1], here, there)
        if order > 1:
            x = x + bend(told, lams[: number + 1], here, there, order)
    return x


def bend(told, lams, here, there, order):
    """What the change of the prediction adds to a step that took it for constant."""
    (alpha, _), width = levels(there), there - here
    near, slope_part = width / (lams[-1] - lams[-2]), 1 + np.expm1(-width) / width
    slope = near * (told[-1] - told[-2])
    if order < 3:
        return FIRST * alpha * slope_part * slope
    before = width / (lams[-2] - lams[-3]) * (told[-2] - told[-3])
    ratio = (lams[-1] - lams[-2]) / (lams[-1] - lams[-3])
    curve = ratio / near * (slope - before)
    slope = slope + ratio * (slope - before)
    curve_part = slope_part / width - 0.5
    return alpha * (FIRST * slope_part * slope - SECOND * curve_part * width * curve)


def schedule(nfe, lam0, lam1):
    """Equal steps in lam where POWER is 1; larger early ones where it is smaller."""
    return lam0 + (lam1 - lam0) * np.linspace(0, 1, nfe + 1) ** POWER


def step(x, guess, here, there):
    """Go from one level to the next as if the prediction stayed what it is guessed to be."""
    (_, sigma), (alpha, sigma_there) = levels(here), levels(there)
    return sigma_there / sigma * x - alpha * np.expm1(here - there) * guess


def levels(lam):
    """Signal and noise, whose squares add up to one, at lam = log of their ratio."""
    return (1 + np.exp(-2 * lam)) ** -0.5, (1 + np.exp(2 * lam)) ** -0.5
