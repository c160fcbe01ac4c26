"""CoLoR-like: what nets that know the target believe more than nets that know the pool.

Source: Brandfonbrener, Zhang, Kirsch, Schwarz, Kakade, "CoLoR-Filter: Conditional Loss Reduction
Filtering for Targeted Language Model Pre-training", 2024, arXiv 2406.10670. There the second model
is the first one, tuned on the target; ours are the trusted nets, and the proxies
after the first third of their checkpoints, before they learn wrong labels by heart.
"""

import numpy as np


def score(pool, k, rng):
    """Log-probability of the given label under the trusted nets, less that under the proxies."""
    rows = np.arange(len(pool["y"]))
    early = max(pool["probs"].shape[1] // 3, 1) - 1
    prior = pool["probs"][:, early].mean(0)[rows, pool["y"]]
    return np.log(pool["tgt_probs"][rows, pool["y"]] + 1e-6) - np.log(prior + 1e-6)


def choose(pool, w, k, rng):
    """The k highest."""
    return np.argsort(-w, kind="stable")[:k]


def select(pool, k, rng):
    return choose(pool, score(pool, k, rng), k, rng)
