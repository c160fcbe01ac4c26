"""Samplers for your own denoiser out of a discovered `solve`: for numpy, torch, or any array type.

    from sampler import sample, sample_sigmas

    points = sample(solve, denoise, x, nfe=8, lam0=-5.0, lam1=3.0)       # denoise(x, lam) -> x0
    images = sample_sigmas(solve, denoise, x, nfe=8, sigma_max=80, sigma_min=0.02)  # (x, sigma)

A `solve` adds up points and predictions with weights that depend on the levels only, so its table of
weights is worked out once, in numpy, and applied to whatever your arrays are. Needs numpy.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

Solve = Callable[..., Any]


class Table(NamedTuple):
    """lams: (calls,), where to ask. weights: (calls + 1, calls + 1), row i those of point i.

    The first column is the weight of the start, column j that of prediction j; the last row is the
    answer.
    """

    lams: np.ndarray
    weights: np.ndarray


def sample(
    solve: Solve, denoise: Callable[[Any, float], Any], x: Any, nfe: int, lam0: float, lam1: float
) -> Any:
    """Follow the path from lam0 to lam1 with at most `nfe` calls of `denoise(x, lam) -> x0`.

    x: alpha x0 + sigma noise with alpha^2 + sigma^2 = 1, at lam0 = log(alpha / sigma); any shape and
        any type that can be multiplied by a float and added up.
    """
    return apply_table(tabulate(solve, nfe, lam0, lam1), denoise, x)


def sample_sigmas(
    solve: Solve,
    denoise: Callable[[Any, float], Any],
    x: Any,
    nfe: int,
    sigma_max: float,
    sigma_min: float,
) -> Any:
    """The same for a denoiser in the manner of EDM and k-diffusion: x = x0 + sigma noise.

    denoise: (x, sigma) -> x0. x: at sigma_max. Gives the points at sigma_min.
    """
    lam0, lam1 = -float(np.log(sigma_max)), -float(np.log(sigma_min))

    def scaled(point: Any, lam: float) -> Any:
        return denoise(point * (1 / _alpha(lam)), float(np.exp(-lam)))

    end = sample(solve, scaled, x * _alpha(lam0), nfe, lam0, lam1)
    return end * (1 / _alpha(lam1))


def apply_table(table: Table, denoise: Callable[[Any, float], Any], x: Any) -> Any:
    """Do what a table says."""
    known = [x]
    for lam, row in zip(table.lams.tolist(), table.weights.tolist(), strict=False):
        known.append(denoise(_added(row, known), lam))
    return _added(table.weights[-1].tolist(), known)


@functools.lru_cache(maxsize=256)
def tabulate(solve: Solve, nfe: int, lam0: float, lam1: float) -> Table:
    """Work out the weights of a solver by calling it on unit vectors."""
    units = np.eye(nfe + 1)[:, :, None]
    lams: list[float] = []
    points: list[np.ndarray] = []

    def model(x: np.ndarray, lam: float) -> np.ndarray:
        points.append(np.array(x, dtype=float))
        lams.append(float(lam))
        return units[len(lams)].copy()

    points.append(np.array(solve(model, units[0].copy(), nfe, lam0, lam1), dtype=float))
    calls = len(lams)
    return Table(np.array(lams), np.stack(points)[:, : calls + 1, 0])


def _added(weights: Sequence[float], known: Sequence[Any]) -> Any:
    total = None
    for weight, value in zip(weights, known, strict=False):
        if weight:
            total = weight * value if total is None else total + weight * value
    return known[0] * 0.0 if total is None else total


def _alpha(lam: float) -> float:
    return float((1 + np.exp(-2 * lam)) ** -0.5)
