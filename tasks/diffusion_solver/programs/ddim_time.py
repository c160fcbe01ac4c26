"""DDIM with steps that are equal in time, as its authors take them.

Source: Song, Meng, Ermon, "Denoising Diffusion Implicit Models", 2021, arXiv 2010.02502, with the
linear noise schedule of Ho, Jain, Abbeel, "Denoising Diffusion Probabilistic Models", 2020. Ours
takes the schedule in continuous time and ends it at lam1.
"""

import itertools

import numpy as np

BETA_MIN, BETA_MAX, POWER = 0.1, 20.0, 1.0


def solve(model, x, nfe, lam0, lam1):
    lams = schedule(nfe, lam0, lam1)
    for here, there in itertools.pairwise(lams):
        x = step(x, model(x, here), here, there)
    return x


def schedule(nfe, lam0, lam1):
    """Equal steps in a power of the time of the linear noise schedule."""
    first, last = time_of(lam0) ** (1 / POWER), time_of(lam1) ** (1 / POWER)
    return lam_of(np.linspace(first, last, nfe + 1) ** POWER)


def time_of(lam):
    """Solve log alpha = -time^2 (BETA_MAX - BETA_MIN) / 4 - time BETA_MIN / 2 for the time."""
    a, b = (BETA_MAX - BETA_MIN) / 4, BETA_MIN / 2
    return (np.sqrt(b * b + 2 * a * np.log1p(np.exp(-2 * lam))) - b) / (2 * a)


def lam_of(time):
    log_alpha = -(time**2) * (BETA_MAX - BETA_MIN) / 4 - time * BETA_MIN / 2
    return log_alpha - 0.5 * np.log(-np.expm1(2 * log_alpha))


def step(x, guess, here, there):
    """Go from one level to the next as if the prediction stayed what it is guessed to be."""
    (_, sigma), (alpha, sigma_there) = levels(here), levels(there)
    return sigma_there / sigma * x - alpha * np.expm1(here - there) * guess


def levels(lam):
    """Signal and noise, whose squares add up to one, at lam = log of their ratio."""
    return (1 + np.exp(-2 * lam)) ** -0.5, (1 + np.exp(2 * lam)) ** -0.5
