"""What a choice is made of: the measures of the grid, and what its author is told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .pools import OUT_OF_DISTRIBUTION

# A class is rare if it is at most half as common as classes are on average.
RARE = 0.5


def composition(private: Mapping[str, Any], choice: np.ndarray) -> dict[str, float]:
    """Measure a choice, row numbers (n,), by what only the grader knows; all are in 0..1.

    redundancy: share of copies, beyond the first of a group. difficulty: mean percentile.
    wrong, strange: shares of wrong labels on digits, and of images that are no digits.
    rare: share of clean examples of rare classes; rare_pool: the same of the whole pool.
    recall: of the pool's distinct clean images, the share that was chosen, out of those that fit.
    """
    truth, labels, group = private["truth"], private["labels"], private["group"]
    strange = truth == OUT_OF_DISTRIBUTION
    clean = truth == labels
    rare = clean & _of_rare_class(truth)
    distinct = min(len(np.unique(group[clean])), len(choice))
    return {
        "redundancy": 1 - len(np.unique(group[choice])) / len(choice),
        "difficulty": float(private["difficulty"][choice].mean()),
        "wrong": float((~clean & ~strange)[choice].mean()),
        "strange": float(strange[choice].mean()),
        "rare": float(rare[choice].mean()),
        "rare_pool": float(rare.mean()),
        "recall": len(np.unique(group[choice[clean[choice]]])) / max(distinct, 1),
    }


def feedback(found: Mapping[str, float]) -> str:
    """Say in one line what a choice is made of."""
    return (
        f"chosen: {found['wrong']:.0%} wrong labels, {found['strange']:.0%} out of distribution, "
        f"{found['redundancy']:.0%} redundant copies, "
        f"{found['rare']:.0%} of rare classes (pool {found['rare_pool']:.0%}), "
        f"{found['recall']:.0%} recall of distinct clean examples, "
        f"mean difficulty percentile {found['difficulty']:.2f}"
    )


def _of_rare_class(truth: np.ndarray) -> np.ndarray:
    digits = truth[truth != OUT_OF_DISTRIBUTION]
    counts = np.bincount(digits)
    few = np.flatnonzero(counts <= RARE * len(digits) / len(counts))
    return np.isin(truth, few)
