"""DDIM: each step believes the newest prediction.

Source: Song, Meng, Ermon, "Denoising Diffusion Implicit Models", 2021, arXiv 2010.02502. Ours steps
evenly in lam, the log of signal over noise, where the paper picks times out of its training's.
"""

import itertools

import numpy as np

POWER = 1.0


def solve(model, x, nfe, lam0, lam1):
    lams = schedule(nfe, lam0, lam1)
    for here, there in itertools.pairwise(lams):
        x = step(x, model(x, here), here, there)
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
