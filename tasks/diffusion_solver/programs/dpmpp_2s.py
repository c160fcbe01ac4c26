"""DPM-Solver++(2S): each step asks again at its middle.

Source: Lu, Zhou, Bao, Chen, Li, Zhu, "DPM-Solver++: Fast Solver for Guided Sampling of Diffusion
Probabilistic Models", 2022, arXiv 2211.01095, algorithm 1. Ours ends with a step of one call where
the number of calls is odd.
"""

import numpy as np

POWER = 1.0
MIDDLE = 0.5


def solve(model, x, nfe, lam0, lam1):
    lams = schedule((nfe + 1) // 2, lam0, lam1)
    for number in range((nfe + 1) // 2):
        here, there = lams[number], lams[number + 1]
        guess = first = model(x, here)
        if 2 * number + 1 < nfe:
            middle = here + MIDDLE * (there - here)
            second = model(step(x, first, here, middle), middle)
            guess = first + (second - first) / (2 * MIDDLE)
        x = step(x, guess, here, there)
    return x


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
