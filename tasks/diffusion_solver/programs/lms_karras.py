"""Linear multistep in the noise level, on the levels of EDM.

Source: Karras, Aittala, Aila, Laine, "Elucidating the Design Space of Diffusion-Based Generative
Models", 2022, arXiv 2206.00364, for equation and levels; the method is that of Adams and Bashforth,
with the weights of unequal steps integrated exactly.
"""

import numpy as np

RHO = 7.0
ORDER = 4


def solve(model, x, nfe, lam0, lam1):
    lams = schedule(nfe, lam0, lam1)
    noises, slopes = np.exp(-lams), []
    state = x / levels(lam0)[0]
    for number in range(nfe):
        alpha, _ = levels(lams[number])
        slopes.append((state - model(alpha * state, lams[number])) / noises[number])
        order = min(ORDER, len(slopes))
        nodes = noises[number + 1 - order : number + 1]
        for weight, slope in zip(
            adams(nodes, noises[number], noises[number + 1]), slopes[-order:], strict=False
        ):
            state = state + weight * slope
    return levels(lam1)[0] * state


def adams(nodes, here, there):
    """Integrate the polynomial through slopes at `nodes` from here to there, exactly."""
    width = there - here
    places = (nodes - here) / width
    moments = width / np.arange(1, len(nodes) + 1)
    return np.linalg.solve(np.vander(places, increasing=True).T, moments)


def schedule(nfe, lam0, lam1):
    """Equal steps in the RHO-th root of the noise sigma / alpha = exp(-lam)."""
    first, last = np.exp(-lam0 / RHO), np.exp(-lam1 / RHO)
    return -RHO * np.log(np.linspace(first, last, nfe + 1))


def levels(lam):
    """Signal and noise, whose squares add up to one, at lam = log of their ratio."""
    return (1 + np.exp(-2 * lam)) ** -0.5, (1 + np.exp(2 * lam)) ** -0.5
