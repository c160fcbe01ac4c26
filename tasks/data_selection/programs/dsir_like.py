"""DSIR-like: importance resampling towards the trusted examples, by counts of simple features.

Source: Xie, Santurkar, Ma, Liang, "Data Selection for Language Models via Importance Resampling",
2023, arXiv 2302.03169. The paper counts hashed n-grams of text; ours, which bin of the pool's
quantiles every feature falls into. As there, both sides are bags of independent counts; since
neighbouring pixels say much the same, ours divides the ratio by four.
"""

import numpy as np


def score(pool, k, rng):
    """Log-likelihood ratio of trusted examples against the pool, summed over binned features."""
    bins, smoothing, repeats = 4, 1.0, 4.0
    cuts = np.quantile(pool["X"], np.linspace(0, 1, bins + 1)[1:-1], axis=0)
    own = (pool["X"][None] > cuts[:, None]).sum(0)
    known = (pool["Xt"][None] > cuts[:, None]).sum(0)
    ratio = np.zeros(len(own))
    for value in range(bins):
        target = ((known == value).sum(0) + smoothing) / (len(known) + bins * smoothing)
        source = ((own == value).sum(0) + smoothing) / (len(own) + bins * smoothing)
        ratio += (own == value) @ np.log(target / source)
    return ratio / repeats


def choose(pool, w, k, rng):
    """Without replacement, in proportion to exp(w): Gumbel noise, then the k highest."""
    return np.argsort(-(w + rng.gumbel(size=len(w))), kind="stable")[:k]


def select(pool, k, rng):
    return choose(pool, score(pool, k, rng), k, rng)
