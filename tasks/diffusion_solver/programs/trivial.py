"""One call: what the model says at the start is taken for the truth all the way."""

import numpy as np


def solve(model, x, nfe, lam0, lam1):
    return step(x, model(x, lam0), lam0, lam1)


def step(x, guess, here, there):
    """Go from one level to the next as if the prediction stayed what it is guessed to be."""
    (_, sigma), (alpha, sigma_there) = levels(here), levels(there)
    return sigma_there / sigma * x - alpha * np.expm1(here - there) * guess


def levels(lam):
    """Signal and noise, whose squares add up to one, at lam = log of their ratio."""
    return (1 + np.exp(-2 * lam)) ** -0.5, (1 + np.exp(2 * lam)) ** -0.5
