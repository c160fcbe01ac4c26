"""Gaussian mixtures fitted to real data, and the exact data prediction that they give a sampler."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from evolve.task import Invalid, rng

DATA = Path(__file__).parent / "data"
SOURCES = ("digits", "wine", "breast_cancer")
LLOYD_STEPS = 15  # of k-means; more moves no centre by an amount that a solver could notice
PRIOR_ROWS = 10  # rows of the pooled covariance that each component's own is mixed with
FLOOR = 0.1  # share of a round covariance: no direction of a component is flat
SHARE = 0.5  # of the rows, drawn anew for every mixture
MIN_ROWS = 20  # of a user's data, so that there is something to fit a mixture to


@dataclass(frozen=True)
class Kind:
    """What a mixture is drawn from. Ranges are inclusive; `lam0`, `lam1` are log alpha / sigma.

    dimensions: principal axes that are kept, fewer where the data have fewer.
    """

    sources: tuple[str, ...]
    dimensions: tuple[int, int]
    components: tuple[int, int]
    lam0: tuple[float, float]
    lam1: tuple[float, float]


SEEN = Kind(("digits",), (16, 16), (8, 20), (-5.2, -4.8), (2.8, 3.2))
# Other data, sizes and noise levels than any that a search was graded on.
UNSEEN = Kind(SOURCES, (8, 24), (5, 30), (-6.0, -4.0), (2.0, 4.0))


@dataclass(frozen=True)
class Mixture:
    """K Gaussians in d dimensions, the whole with unit variance.

    log_weights (K,), means (K, d); covariances by eigenvalues (K, d) and eigenvectors (K, d, d),
    one per column.
    """

    log_weights: np.ndarray
    means: np.ndarray
    variances: np.ndarray
    axes: np.ndarray

    def predict(self, x: np.ndarray, lam: float) -> np.ndarray:
        """Give E[x0 | x] (n, d) for x = alpha x0 + sigma noise, (n, d), at lam = log alpha / sigma."""
        alpha, sigma = levels(lam)
        spread = alpha**2 * self.variances + sigma**2
        along = (x - alpha * self.means[:, None]) @ self.axes
        odds = self.log_weights - 0.5 * np.log(spread).sum(-1)
        odds = odds[:, None] - 0.5 * (along**2 / spread[:, None]).sum(-1)
        share = np.exp(odds - odds.max(0))
        share /= share.sum(0)
        pulled = (along * (alpha * self.variances / spread)[:, None]) @ self.axes.swapaxes(1, 2)
        guess: np.ndarray = (share[..., None] * (self.means[:, None] + pulled)).sum(0)
        return guess

    def sample(self, count: int, draw: np.random.Generator) -> np.ndarray:
        """Draw points (count, d)."""
        which = draw.choice(len(self.means), count, p=np.exp(self.log_weights))
        noise = draw.standard_normal((count, self.means.shape[1])) * np.sqrt(self.variances[which])
        return self.means[which] + np.einsum("nde,ne->nd", self.axes[which], noise)


def levels(lam: float) -> tuple[float, float]:
    """Give alpha and sigma, whose squares add up to one, at lam = log alpha / sigma."""
    return float((1 + np.exp(-2 * lam)) ** -0.5), float((1 + np.exp(2 * lam)) ** -0.5)


def draw_mixture(name: str, kind: Kind, number: int, own: str) -> tuple[Mixture, float, float, str]:
    """Draw the mixture of that name with its noise levels lam0 < lam1, and say what it is from.

    own: a user's file, which takes the place of the sources. Raises: Invalid for one without rows.
    """
    draw = rng("diffusion_solver", name)
    source = kind.sources[number % len(kind.sources)]
    rows = user_rows(own) if own else real_rows(source)
    some = rows[draw.permutation(len(rows))[: max(int(SHARE * len(rows)), MIN_ROWS)]]
    axes = int(draw.integers(kind.dimensions[0], kind.dimensions[1] + 1))
    components = int(draw.integers(kind.components[0], kind.components[1] + 1))
    # At least six rows for each component, so that its covariance is of something.
    mixture = fit(principal(some, axes), min(components, max(len(some) // 6, 1)), draw)
    lam0, lam1 = float(draw.uniform(*kind.lam0)), float(draw.uniform(*kind.lam1))
    return mixture, lam0, lam1, "own" if own else source


def fit(rows: np.ndarray, components: int, draw: np.random.Generator) -> Mixture:
    """Fit by k-means, each part with its own covariance, shrunken. rows: (n, d)."""
    means = rows[draw.choice(len(rows), components, replace=False)]
    for _ in range(LLOYD_STEPS):
        nearest = ((rows[:, None] - means) ** 2).sum(-1).argmin(1)
        parts = [rows[nearest == part] for part in range(components)]
        means = np.stack(
            [part.mean(0) if len(part) else mean for part, mean in zip(parts, means, strict=True)]
        )
    nearest = ((rows[:, None] - means) ** 2).sum(-1).argmin(1)
    apart = rows - means[nearest]
    pooled = apart.T @ apart / len(rows)
    round_part = np.eye(rows.shape[1]) * np.trace(pooled) / rows.shape[1]
    covariances = []
    for part in range(components):
        own = apart[nearest == part]
        mixed = (own.T @ own + PRIOR_ROWS * pooled) / (len(own) + PRIOR_ROWS)
        covariances.append((1 - FLOOR) * mixed + FLOOR * round_part)
    variances, axes = np.linalg.eigh(np.stack(covariances))
    counts = np.bincount(nearest, minlength=components) + 1.0
    return Mixture(np.log(counts / counts.sum()), means, variances, axes)


def principal(rows: np.ndarray, axes: int) -> np.ndarray:
    """Give the rows along their first principal axes, (n, axes), with a mean variance of one."""
    centred = rows - rows.mean(0)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    kept = centred @ directions[:axes].T
    return np.asarray(kept / kept.std())


@cache
def real_rows(source: str) -> np.ndarray:
    """Give a shipped data set (n, d), columns of measured quantities scaled to unit variance."""
    with np.load(DATA / f"{source}.npz") as arrays:
        if source == "digits":
            return arrays["images"] / 16.0
        return np.asarray(arrays["features"] / arrays["features"].std(0))


@cache
def user_rows(path: str) -> np.ndarray:
    """Give the array X (n, d) of a user's .npz file. Raises: Invalid naming what is wrong."""
    with np.load(path, allow_pickle=False) as arrays:
        if "X" not in arrays:
            raise Invalid(f"{path}: holds {', '.join(arrays)}: name the array of rows X")
        rows = np.asarray(arrays["X"], dtype=float)
    if rows.ndim != 2 or rows.shape[0] < MIN_ROWS or rows.shape[1] < 2:
        raise Invalid(f"{path}: X has shape {rows.shape}: give {MIN_ROWS} rows or more, 2 columns")
    if not np.isfinite(rows).all():
        raise Invalid(f"{path}: X holds values that are not finite")
    return rows / np.maximum(rows.std(), 1e-12)
