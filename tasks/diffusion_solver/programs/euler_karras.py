"""Euler's method on the noise levels of EDM, without its noise.

Source: Karras, Aittala, Aila, Laine, "Elucidating the Design Space of Diffusion-Based Generative
Models", 2022, arXiv 2206.00364, table 1. Ours ends at lam1 instead of at no noise.
"""

import itertools

import numpy as np

RHO = 7.0


def solve(model, x, nfe, lam0, lam1):
    lams = schedule(nfe, lam0, lam1)
    for here, there in itertools.pairwise(lams):
        x = step(x, model(x, here), here, there)
    return x


def schedule(nfe, lam0, lam1):
    """Equal steps in the RHO-th root of the noise sigma / alpha = exp(-lam)."""
    first, last = np.exp(-lam0 / RHO), np.exp(-lam1 / RHO)
    return -RHO * np.log(np.linspace(first, last, nfe + 1))


def step(x, guess, here, there):
    """Go from one level to the next as if the prediction stayed what it is guessed to be."""
    (_, sigma), (alpha, sigma_there) = levels(here), levels(there)
    return sigma_there / sigma * x - alpha * np.expm1(here - there) * guess


def levels(lam):
    """Signal and noise, whose squares add up to one, at lam = log of their ratio."""
    return (1 + np.exp(-2 * lam)) ** -0.5, (1 + np.exp(2 * lam)) ** -0.5
