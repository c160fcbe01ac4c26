"""AUM: the examples with the largest area under the margin, whatever their class.

Source: Pleiss, Zhang, Elenberg, Weinberger, "Identifying Mislabeled Data using the Area Under the
Margin Ranking", 2020, arXiv 2001.10528. The paper drops what falls below threshold samples; ours
ranks and takes the top.
"""

import numpy as np


def score(pool, k, rng):
    """Area under the margin: given label's logit minus the best other, mean over training."""
    logits = np.log(pool["probs"] + 1e-9)
    rows = np.arange(len(pool["y"]))
    own = logits[:, :, rows, pool["y"]]
    logits[:, :, rows, pool["y"]] = -np.inf
    return (own - logits.max(-1)).mean((0, 1))


def choose(pool, w, k, rng):
    """The k highest."""
    return np.argsort(-w, kind="stable")[:k]


def select(pool, k, rng):
    return choose(pool, score(pool, k, rng), k, rng)
