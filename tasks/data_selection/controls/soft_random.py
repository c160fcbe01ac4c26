"""Soft labels: random examples, with what nets that saw the whole pool believe of them.

Source: Ben-Baruch et al., "Distilling the Knowledge in Data Pruning", 2024, arXiv 2403.07854. The
paper mixes given and soft labels; ours trains on the soft ones alone, the mean over the proxies at
their last checkpoint. What a choice gains beyond this, better labels cannot give.
"""

import numpy as np


def select(pool, k, rng, private):
    size = len(pool["y"])
    rows = rng.choice(size, min(k, size), replace=False)
    return {"rows": np.sort(rows), "labels": private["soft_labels"]}
