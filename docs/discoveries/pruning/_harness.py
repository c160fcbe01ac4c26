"""Calls a criterion and turns its scores into masks, inside the wall: what is kept is the answer.

A copy of this file stands beside every exported program, so it needs numpy alone.
"""

import numpy as np


def call(candidate, public, rng):
    """Give one mask (bool) per layer, True where a weight stays.

    public: `layers`, `sparsity`, and `pattern`: "weights" are ranked together over all layers;
    of "1:4" the 1 highest of every 4 weights in a row stay.
    Raises: ValueError for scores of another shape, or NaN.
    """
    layers, sparsity, pattern = public["layers"], public["sparsity"], public["pattern"]
    shapes = [layer["W"].shape for layer in layers]
    scores = as_scores(candidate(layers, sparsity), shapes)
    if pattern == "weights":
        return ranked_together(scores, sparsity)
    keep, group = (int(number) for number in pattern.split(":"))
    return [ranked_in_groups(score, keep, group) for score in scores]


def as_scores(found, shapes):
    """Check what a criterion returned; give float64 arrays. Raises: ValueError."""
    if not isinstance(found, (list, tuple)) or len(found) != len(shapes):
        raise ValueError(f"score() must return a list of {len(shapes)} arrays, one per layer")
    scores = []
    for number, (array, shape) in enumerate(zip(found, shapes, strict=True)):
        score = np.asarray(array, dtype=np.float64)
        if score.shape != tuple(shape):
            raise ValueError(f"scores of layer {number} have shape {score.shape}, not {shape}")
        if np.isnan(score).any():
            raise ValueError(f"scores of layer {number} hold {np.isnan(score).sum()} NaN")
        scores.append(score)
    return scores


def ranked_together(scores, sparsity):
    """Keep the highest of all scores, a share of 1 - sparsity; of equal ones the first."""
    flat = np.concatenate([score.ravel() for score in scores])
    kept = highest(flat, len(flat) - round(sparsity * len(flat)))
    ends = np.cumsum([score.size for score in scores])[:-1]
    return [part.reshape(s.shape) for part, s in zip(np.split(kept, ends), scores, strict=True)]


def highest(values, count):
    """Mark the `count` highest values, of equal ones the first."""
    kept = np.zeros(len(values), dtype=bool)
    if count > 0:
        bound = np.partition(values, len(values) - count)[len(values) - count]
        kept = values > bound
        equal = np.flatnonzero(values == bound)
        kept[equal[: count - kept.sum()]] = True
    return kept


def ranked_in_groups(scores, keep, group):
    """Keep the highest of every group of neighbours in a row; the last group may be shorter."""
    out, fan_in = scores.shape
    padded = np.full((out, -(-fan_in // group) * group), -np.inf)
    padded[:, :fan_in] = scores
    grouped = padded.reshape(-1, group)
    order = np.argsort(-grouped, axis=1, kind="stable")
    kept = np.zeros(grouped.shape, dtype=bool)
    np.put_along_axis(kept, order[:, :keep], True, axis=1)
    return kept.reshape(out, -1)[:, :fan_in]
