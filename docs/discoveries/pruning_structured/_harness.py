"""Calls a criterion for units and turns its scores into masks, inside the wall.

A copy of this file stands beside every exported program, so it needs numpy alone.
"""

import numpy as np


def call(candidate, public, rng):
    """Give one mask (out,) per layer, True where a unit stays; units are ranked over all layers.

    Raises: ValueError for scores of another shape, or NaN.
    """
    layers, sparsity = public["layers"], public["sparsity"]
    found = candidate(layers, sparsity)
    if not isinstance(found, (list, tuple)) or len(found) != len(layers):
        raise ValueError(f"score_units() must return a list of {len(layers)} arrays, one per layer")
    scores = []
    for number, (array, layer) in enumerate(zip(found, layers, strict=True)):
        score, units = np.asarray(array, dtype=np.float64), len(layer["W"])
        if score.shape != (units,):
            raise ValueError(f"scores of layer {number} have shape {score.shape}, not ({units},)")
        if np.isnan(score).any():
            raise ValueError(f"scores of layer {number} hold {np.isnan(score).sum()} NaN")
        scores.append(score)
    flat = np.concatenate(scores)
    kept = np.zeros(len(flat), dtype=bool)
    # The highest stay, and of equal ones the first.
    order = np.argsort(-flat, kind="stable")
    kept[order[: len(flat) - round(sparsity * len(flat))]] = True
    return np.split(kept, np.cumsum([len(score) for score in scores])[:-1])
