"""Solvers as tables of weights: replayed on a mixture, and the reference that they are held against.

In u = x / sigma the probability-flow ODE is du = exp(lam) D(x, lam) dlam, D the data prediction
(Lu et al., DPM-Solver++, 2022). Whatever a linear method does is told by where it asks for a
prediction and by the weights with which it adds up what it was told.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from evolve.task import Invalid

from .mixtures import Mixture, levels

REFERENCE_STEPS = 400
LARGEST_LAM = 20.0  # beyond it alpha or sigma is 1e-9, and a level says nothing
LARGEST_WEIGHT = 1e6  # sums of larger terms lose the digits that they are graded by

Predict = Callable[[np.ndarray, float], np.ndarray]


@dataclass(frozen=True)
class Table:
    """What a solver did at one number of calls.

    lams: (calls,), where it asked. weights: (calls + 1, calls + 1); row i holds the weights of the
    start and of predictions 1 to i in the point that was asked about at lams[i], the last row those
    of the answer.
    """

    lams: np.ndarray
    weights: np.ndarray


def read_table(value: Any, nfe: int, name: str) -> Table:
    """Check what came through the wall for one number of calls. Raises: Invalid."""
    try:
        lams = np.asarray(value["lams"], dtype=float)
        weights = np.asarray(value["weights"], dtype=float)
    except (TypeError, KeyError, ValueError, IndexError) as error:
        raise Invalid(f"{name}: the record of {nfe} calls is none: {error!r}") from error
    calls = len(lams) if lams.ndim == 1 else -1
    if weights.shape != (calls + 1, calls + 1):
        raise Invalid(f"{name}: {lams.shape} calls with weights of shape {weights.shape}")
    if calls > nfe:
        raise Invalid(f"{name}: the model was called {calls} times: {nfe} are allowed")
    if not (np.isfinite(lams).all() and np.isfinite(weights).all()):
        raise Invalid(f"{name}: a level or weight is not finite at nfe = {nfe}")
    if calls and np.abs(lams).max() > LARGEST_LAM:
        raise Invalid(f"{name}: lam = {np.abs(lams).max():.3g} lies beyond {LARGEST_LAM:g}")
    if np.abs(weights).max() > LARGEST_WEIGHT:
        raise Invalid(f"{name}: a weight is {np.abs(weights).max():.3g} at nfe = {nfe}")
    if np.triu(weights, 1).any():
        raise Invalid(f"{name}: a point at nfe = {nfe} uses a prediction that was not made yet")
    return Table(lams, weights)


def replay(table: Table, predict: Predict, start: np.ndarray) -> np.ndarray:
    """Do what the table says, from the points `start` (n, d)."""
    known = [start.ravel()]
    for lam, row in zip(table.lams.tolist(), table.weights, strict=False):
        point = (row[: len(known)] @ np.stack(known)).reshape(start.shape)
        known.append(predict(point, lam).ravel())
    return np.asarray((table.weights[-1] @ np.stack(known)).reshape(start.shape))


def reference(mixture: Mixture, start: np.ndarray, lam0: float, lam1: float) -> np.ndarray:
    """Solve with many steps of Heun's method, each exact where D is linear in lam."""
    x = start
    grid = np.linspace(lam0, lam1, REFERENCE_STEPS + 1).tolist()
    for here, there in itertools.pairwise(grid):
        (_, sigma), (alpha, sigma_there) = levels(here), levels(there)
        width = there - here
        first = mixture.predict(x, here)
        guess = sigma_there / sigma * x - alpha * np.expm1(-width) * first
        second = mixture.predict(guess, there)
        x = guess + alpha * (1 + np.expm1(-width) / width) * (second - first)
    return x
