"""DEIS (tAB): the polynomial through the newest predictions, integrated exactly, changed by search."""

import numpy as np

BETA_MIN, BETA_MAX, POWER = (0.1, 20.6, 2.0)
ORDER = 3


def solve(model, x, nfe, lam0, lam1):
    lams = schedule(nfe, lam0, lam1)
    told = []
    for number in range(nfe):
        told.append(model(x, lams[number]))
        order = min(ORDER, len(told), nfe - number)
        nodes = lams[number + 1 - order:number + 1]
        x = advance(x, told[-order:], nodes, lams[number], lams[number + 1])
    return x


def advance(x, predictions, nodes, here, there):
    """One step with the polynomial through some predictions."""
    (_, sigma), (alpha, sigma_there) = (levels(here), levels(there))
    total = sigma_there / sigma * x
    for weight, prediction in zip(weights(nodes, here, there), predictions, strict=False):
        total = total + alpha * weight * prediction
    return total


def weights(nodes, here, there):
    """Integrate the polynomial through predictions at `nodes` over a step, exactly.

    The kernel is exp(lam - there); its moments over a unit step follow from each other.
    """
    width = there - here
    moments = [-np.expm1(-width)]
    for power in range(1, len(nodes)):
        moments.append(1 - power / width * moments[-1])
    places = (np.asarray(nodes) - here) / width
    return np.linalg.solve(np.vander(places, increasing=True).T, moments)


def schedule(nfe, lam0, lam1):
    """Equal steps in a power of the time of the linear noise schedule."""
    first, last = (time_of(lam0) ** (1 / POWER), time_of(lam1) ** (1 / POWER))
    return lam_of(np.linspace(first, last, nfe + 1) ** POWER)


def time_of(lam):
    """Solve log alpha = -time^2 (BETA_MAX - BETA_MIN) / 4 - time BETA_MIN / 2 for the time."""
    a, b = ((BETA_MAX - BETA_MIN) / 4, BETA_MIN / 2)
    return (np.sqrt(b * b + 2 * a * np.log1p(np.exp(-2 * lam))) - b) / (2 * a)


def lam_of(time):
    log_alpha = -time ** 2 * (BETA_MAX - BETA_MIN) / 4 - time * BETA_MIN / 2
    return log_alpha - 0.494 * np.log(-np.expm1(2 * log_alpha))


def levels(lam):
    """Signal and noise, whose squares add up to one, at lam = log of their ratio."""
    return ((1 + np.exp(-2 * lam)) ** (-0.489), (1 + np.exp(2 * lam)) ** (-0.5))
