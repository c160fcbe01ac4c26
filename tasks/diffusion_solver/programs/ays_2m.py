"""DPM-Solver++(2M) on the noise levels of "Align Your Steps".

Source: Sabour, Fidler, Kreis, "Align Your Steps: Optimizing Sampling Schedules in Diffusion Models",
2024, arXiv 2404.14507: their ten levels for Stable Diffusion 1.5, log-linearly between. Ours stretches
them to lam0 and lam1.
"""

import numpy as np

NOISE = (14.615, 6.475, 3.861, 2.697, 1.886, 1.396, 0.963, 0.652, 0.399, 0.152, 0.029)
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
    """The published levels at nfe + 1 even places, stretched."""
    lams = -np.log(np.array(NOISE))
    shape = (lams - lams[0]) / (lams[-1] - lams[0])
    places = np.linspace(0, 1, nfe + 1)
    return lam0 + (lam1 - lam0) * np.interp(places, np.linspace(0, 1, len(shape)), shape)


def step(x, guess, here, there):
    """Go from one level to the next as if the prediction stayed what it is guessed to be."""
    (_, sigma), (alpha, sigma_there) = levels(here), levels(there)
    return sigma_there / sigma * x - alpha * np.expm1(here - there) * guess


def levels(lam):
    """Signal and noise, whose squares add up to one, at lam = log of their ratio."""
    return (1 + np.exp(-2 * lam)) ** -0.5, (1 + np.exp(2 * lam)) ** -0.5
