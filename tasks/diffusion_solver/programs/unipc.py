"""UniPC-3: each prediction also corrects the step that led to it.

Source: Zhao, Bai, Rao, Zhou, Lu, "UniPC: A Unified Predictor-Corrector Framework for Fast Sampling of
Diffusion Models", 2023, arXiv 2302.04867. Ours integrates the polynomial exactly at every order, where
the paper simplifies the lowest.
"""

import numpy as np

POWER = 1.0
CORRECTION = 1.0
ORDER = 3


def solve(model, x, nfe, lam0, lam1):
    lams = schedule(nfe, lam0, lam1)
    told, corrected = [], x
    for number in range(nfe):
        newest = model(x, lams[number])
        told.append(newest)
        if number > 0:
            order = min(ORDER + 1, len(told))
            nodes = lams[number + 1 - order : number + 1]
            better = advance(corrected, told[-order:], nodes, lams[number - 1], lams[number])
            x = x + CORRECTION * (better - x)
        corrected = x
        order = min(ORDER, len(told), nfe - number)
        nodes = lams[number + 1 - order : number + 1]
        x = advance(corrected, told[-order:], nodes, lams[number], lams[number + 1])
    return x


def advance(x, predictions, nodes, here, there):
    """One step with the polynomial through some predictions."""
    (_, sigma), (alpha, sigma_there) = levels(here), levels(there)
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
    """Equal steps in lam where POWER is 1; larger early ones where it is smaller."""
    return lam0 + (lam1 - lam0) * np.linspace(0, 1, nfe + 1) ** POWER


def levels(lam):
    """Signal and noise, whose squares add up to one, at lam = log of their ratio."""
    return (1 + np.exp(-2 * lam)) ** -0.5, (1 + np.exp(2 * lam)) ** -0.5
