"""How many different behaviours a set of programs has: Vendi scores over their probe records."""

from __future__ import annotations

import math
from collections.abc import Sequence

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


def agreement_kernel(records: Sequence[Sequence[str]]) -> np.ndarray:
    """Give the share of probes on which each two programs decide alike, (n, n).

    records: per program what it decided on each probe, all on the same probes, at least one; a
    failure is a decision too. A mean of equalities, so it is positive semidefinite.
    """
    decisions = np.unique(np.array(records), return_inverse=True)[1].reshape(len(records), -1)
    alike = np.zeros((len(records), len(records)))
    for probe in decisions.T:
        alike += probe[:, None] == probe
    return alike / decisions.shape[1]


def vendi_scores(records: Sequence[Sequence[str]]) -> dict[str, float] | None:
    """Give the Vendi scores of programs by their probe records, by order; None for no programs."""
    if not records:
        return None
    kernel = agreement_kernel(records)
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
