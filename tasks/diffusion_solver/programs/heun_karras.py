"""Heun's method on the noise levels of EDM, two calls a step.

Source: Karras, Aittala, Aila, Laine, "Elucidating the Design Space of Diffusion-Based Generative
Models", 2022, arXiv 2206.00364, algorithm 1. As there, the last step is one of Euler, so that an even
number of calls leaves one unused. Ours ends at lam1 instead of at no noise.
"""

import itertools

import numpy as np

RHO = 7.0
CORRECTION = 0.5


def solve(model, x, nfe, lam0, lam1):
    lams = schedule((nfe + 1) // 2, lam0, lam1)
    for here, there in itertools.pairwise(lams[:-1]):
        first = model(x, here)
        guess = euler(x, first, first, here, there, 0.0)
        x = euler(x, first, model(guess, there), here, there, CORRECTION)
    last = model(x, lams[-2])
    return euler(x, last, last, lams[-2], lams[-1], 0.0)


def euler(x, first, second, here, there, share):
    """Step with a mean of two slopes of x / alpha in the noise exp(-lam), taken at both ends."""
    (alpha, _), (alpha_there, _) = levels(here), levels(there)
    noise, noise_there = np.exp(-here), np.exp(-there)
    start = x / alpha
    slope = (start - first) / noise
    # the second slope is at the end of a step with the first alone
    slope_there = (start + (noise_there - noise) * slope - second) / noise_there
    slope = (1 - share) * slope + share * slope_there
    return alpha_there * (start + (noise_there - noise) * slope)


def schedule(nfe, lam0, lam1):
    """Equal steps in the RHO-th root of the noise sigma / alpha = exp(-lam)."""
    first, last = np.exp(-lam0 / RHO), np.exp(-lam1 / RHO)
    return -RHO * np.log(np.linspace(first, last, nfe + 1))


def levels(lam):
    """Signal and noise, whose squares add up to one, at lam = log of their ratio."""
    return (1 + np.exp(-2 * lam)) ** -0.5, (1 + np.exp(2 * lam)) ** -0.5
