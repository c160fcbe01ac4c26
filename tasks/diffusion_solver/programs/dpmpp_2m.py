"""DPM-Solver++(2M): the newest two predictions, extended along a line.

Source: Lu, Zhou, Bao, Chen, Li, Zhu, "DPM-Solver++: Fast Solver for Guided Sampling of Diffusion
Probabilistic Models", 2022, arXiv 2211.01095, algorithm 2. EXTENSION 0.5 is the paper's: half a step
ahead.
"""

import numpy as np

POWER = 1.0
EXTENSION = 0.5


def solve(model, x, nfe, lam0, lam1):
    lams = schedule(nfe, lam0, lam1)
    before = None
    for number in range(nfe):
        here, there = lams[number], lams[number + 1]
        newest = model(x, here)
        guess = newest
        if before is not None:
            ratio = (there - here) / (here - lams[number - 1])
            guess = newest + EXTENSION * ratio * (newest - before)
        x = step(x, guess, here, there)
        before = newest
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
