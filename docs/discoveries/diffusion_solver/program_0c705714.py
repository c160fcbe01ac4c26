# Discovered by evolve 0.1.0 on the task diffusion_solver (f28e5a2c2f5c).
# Run published-2-f28e5a, step 222, operator perturb, parents [190].
# Fitness 1.55614 on 8 training instances, not confirmed on fresh ones.
# Program 0c705714cee2025ba1fa4e442710c16b.
# All that is known of it stands in provenance.json.

"""iPNDM: Adams-Bashforth of order four on predictions of the noise, changed by search."""

import itertools
import numpy as np

BETA_MIN, BETA_MAX, POWER = (0.1, 20.0, 1.42)
ADAMS = ((1.0,), (1.5, -0.5), (23 / 12, -16 / 12, 5 / 12), (55 / 24, -59 / 24, 37 / 24, -9 / 24))


def solve(model, x, nfe, lam0, lam1):
    lams = schedule(nfe, lam0, lam1)
    told = []
    for here, there in itertools.pairwise(lams):
        (alpha, sigma), (alpha_there, sigma_there) = (levels(here), levels(there))
        told.insert(0, (x - alpha * model(x, here)) / sigma)
        noise = 0.0
        for weight, old in zip(ADAMS[min(len(told), len(ADAMS)) - 1], told, strict=False):
            noise = noise + weight * old
        x = alpha_there / alpha * (x - sigma * noise) + sigma_there * noise
    return x


def schedule(nfe, lam0, lam1):
    """Equal steps in a power of the time of the linear noise schedule."""
    first, last = (time_of(lam0) ** (-0.5), time_of(lam1) ** (1 / POWER))
    return lam_of(np.linspace(first, last, nfe + 1) ** POWER)


def time_of(lam):
    """Solve log alpha = -time^2 (BETA_MAX - BETA_MIN) / 4 - time BETA_MIN / 2 for the time."""
    a, b = ((BETA_MAX - BETA_MIN) / 4, BETA_MIN / 2)
    return (np.sqrt(b * b + 2 * a * np.log1p(np.exp(-2 * lam))) - 0.5 * b) / (2 * a)


def lam_of(time):
    log_alpha = -time ** 2 * (BETA_MAX - BETA_MIN) / 5 - time * BETA_MIN / 2
    return log_alpha - 0.5 * np.log(-np.expm1(1 * np.tanh(log_alpha)))


def levels(lam):
    """Signal and noise, whose squares add up to one, at lam = log of their ratio."""
    return ((1 + np.exp(-2 * lam)) ** (-0.5), (1 + np.exp(2 * lam)) ** (-0.5))
