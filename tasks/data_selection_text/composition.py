"""What a choice is made of: the measures of the grid, and what its author is told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .pools import IN_DOMAIN, NOT_A_TEXT

# Added to the count of every bin, so that no bin of words is thought impossible.
SMOOTHING = 0.1


def composition(
    public: Mapping[str, Any], private: Mapping[str, Any], choice: np.ndarray
) -> dict[str, float]:
    """Measure a choice, row numbers (n,).

    compressibility: mean compressed size over size. kl_reduction: by how many nats the divergence
    of the target's hashed words from those of the choice is below that from the whole pool's.
    junk, in_domain: shares of the choice. redundancy: share of near-duplicates, beyond the first of
    a group. recall: share of the pool's in-domain documents that was chosen, out of those that fit.
    The last four only where they are known: of a user's own documents they are not.
    """
    feats = public["feats"]
    found = {
        "compressibility": float(feats["ratio"][choice].mean()),
        "kl_reduction": kl_reduction(feats, choice),
    }
    if "origin" not in private:
        return found
    origin, group = private["origin"], private["group"]
    inside = origin == IN_DOMAIN
    return {
        **found,
        "junk": float((origin[choice] == NOT_A_TEXT).mean()),
        "in_domain": float(inside[choice].mean()),
        "redundancy": 1 - len(np.unique(group[choice])) / len(choice),
        "recall": float(inside[choice].sum() / max(min(inside.sum(), len(choice)), 1)),
    }


def kl_reduction(feats: Mapping[str, Any], choice: np.ndarray) -> float:
    """Give KL(target | pool) - KL(target | choice) over bins of hashed words, in nats.

    Source: Xie et al. 2023, "Data Selection for Language Models via Importance Resampling", whose
    "KL reduction" this is, but for one choice.
    """
    pool = word_counts(feats["gram_bin"], feats["gram_count"], feats["gram_bins"])
    part = word_counts(feats["gram_bin"][choice], feats["gram_count"][choice], feats["gram_bins"])
    target = word_counts(feats["target_gram_bin"], feats["target_gram_count"], feats["gram_bins"])
    wanted = target / max(target.sum(), 1)
    return float((wanted * (_log_share(part) - _log_share(pool))).sum())


def feedback(found: Mapping[str, float], bits: float) -> str:
    """Say in one line what a choice is made of, and how well models learnt from it."""
    said = (
        f"{bits:.3f} bits per byte; chosen: mean compressed size {found['compressibility']:.2f}, "
        f"KL to the target's words {found['kl_reduction']:.2f} nats below the pool's"
    )
    if "junk" not in found:
        return said
    return (
        f"{said}, {found['junk']:.0%} junk, {found['in_domain']:.0%} in-domain "
        f"({found['recall']:.0%} of those that fit), {found['redundancy']:.0%} redundant copies"
    )


def word_counts(bins: np.ndarray, counts: np.ndarray, size: int) -> np.ndarray:
    """Sum the counts (n, G) of hashed words over documents, (size,)."""
    return np.bincount(bins.ravel(), weights=counts.ravel(), minlength=size)


def _log_share(counts: np.ndarray) -> np.ndarray:
    smooth = counts + SMOOTHING
    return np.log(smooth / smooth.sum())
