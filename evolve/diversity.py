"""How many different behaviours a set of programs has: Vendi scores over how alike they are."""

from __future__ import annotations

import math

import numpy as np

# Orders that are shown: rare behaviours count nearly as much as common ones, each counts by its
# share, only the commonest counts.
ORDERS = {"q0.1": 0.1, "q1": 1.0, "qinf": math.inf}
# So many children are set beside as many before them.
WINDOW = 50
# Operators collapse when the latest children behave in less than this share of the ways in which
# those before them did: chance alone moves the score of 50 children by far less.
COLLAPSE_SHARE = 0.5


def vendi_score(kernel: np.ndarray, q: float = 1.0) -> float:
    """Give the effective number of different items, from 1 (all alike) to n (nothing in common).

    It is the exponential of the Renyi entropy of order q of the eigenvalues of kernel / n.
    kernel: (n, n), n at least 1, symmetric and positive semidefinite with ones on its diagonal.
    q: 0 to infinity; the lower, the more a rare item counts, and the higher the score.
    Raises: ValueError for another shape or order.
    Source: Friedman & Dieng 2023, arXiv 2210.02410; for orders other than 1 Pasarkar & Dieng 2023,
    arXiv 2310.12952.
    """
    if q < 0.0:
        raise ValueError(f"a Vendi score of order {q}: orders begin at 0")
    shares = _shares(kernel)
    if q == 1.0:
        return math.exp(-float(shares @ np.log(shares)))
    if math.isinf(q):
        return 1.0 / float(shares.max())
    # Relative to the largest: high powers of small shares are below what a float holds.
    largest = float(shares.max())
    log_sum = q * math.log(largest) + math.log(float(np.sum((shares / largest) ** q)))
    return math.exp(log_sum / (1.0 - q))


def vendi_scores(kernel: np.ndarray) -> dict[str, float]:
    """Give the Vendi scores that are shown, by the name of their order."""
    return {name: vendi_score(kernel, q) for name, q in ORDERS.items()}


def collapse(recent: float, before: float) -> str | None:
    """Say so if the latest children behave in far fewer ways than those before them did.

    recent, before: Vendi scores of equally many children.
    """
    if recent >= COLLAPSE_SHARE * before:
        return None
    return (
        f"the operators collapse: the last {WINDOW} children behave in {recent:.1f} ways, "
        f"the {WINDOW} before them in {before:.1f}"
    )


def _shares(kernel: np.ndarray) -> np.ndarray:
    """Give the eigenvalues of kernel / n that are not 0, which sum to 1."""
    n = len(kernel)
    if n == 0 or kernel.shape != (n, n):
        raise ValueError(f"a kernel of shape {kernel.shape}: it is square, of one item at least")
    values = np.linalg.eigvalsh(kernel)
    # What rounding leaves of a 0 would count as an item of its own at low orders.
    kept = values[values > n * np.finfo(np.float64).eps * values[-1]]
    shares: np.ndarray = kept / kept.sum()
    return shares
