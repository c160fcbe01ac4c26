"""ODiS: many scores made orthogonal, and the top of each direction.

Source: He et al., "Learning from the Best, Differently: A Diversity-Driven Rethinking on Data
Selection", 2025, arXiv 2510.18909. The paper has a language model score text and fits a scorer to
each principal component; ours scores by proxies and trusted nets and takes components as they are.
"""

import numpy as np


def score(pool, k, rng):
    """Principal components (N, 2) of four scores, each turned so that quality points up."""
    kept = 2
    rows = np.arange(len(pool["y"]))
    belief = pool["probs"][:, :, rows, pool["y"]].mean(0)
    scores = np.stack(
        [
            belief.mean(0),
            belief[: max(len(belief) // 3, 1)].mean(0),
            pool["tgt_probs"][rows, pool["y"]],
            -pool["grad_norm"],
        ],
        axis=1,
    )
    ranks = np.argsort(np.argsort(scores, axis=0, kind="stable"), axis=0) / len(rows) - 0.5
    _, directions = np.linalg.eigh(ranks.T @ ranks)
    parts = ranks @ directions[:, ::-1][:, :kept]
    return parts * np.where(ranks.sum(1) @ parts < 0, -1, 1)


def choose(pool, w, k, rng):
    """The highest of every direction in turn, until there are k."""
    order = np.argsort(-w, axis=0, kind="stable").ravel()
    _, first = np.unique(order, return_index=True)
    return order[np.sort(first)][:k]


def select(pool, k, rng):
    return choose(pool, score(pool, k, rng), k, rng)
