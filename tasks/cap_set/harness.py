"""Asks a program for the priorities of all vectors, and gives their order."""

import numpy as np


def call(candidate, public, rng):
    """Give dense ranks (N,) int16, the highest first to be tried; 0 for -inf, which never is.

    Raises: ValueError for priorities that are no number per vector.
    """
    vectors = public["vectors"].astype(np.int64)
    scores = np.asarray(candidate(vectors.copy(), public["n"]), dtype=np.float64)
    if scores.shape != (len(vectors),):
        raise ValueError(
            f"the priorities have shape {scores.shape} and the vectors {vectors.shape}: "
            "give one priority per vector"
        )
    if np.isnan(scores).any():
        raise ValueError(f"the priority of {vectors[np.isnan(scores)][0]} is not a number")
    ranks = np.zeros(len(vectors), dtype=np.int16)
    tried = scores > -np.inf
    ranks[tried] = np.unique(scores[tried], return_inverse=True)[1] + 1
    return ranks
