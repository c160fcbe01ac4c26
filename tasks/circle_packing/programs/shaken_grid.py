"""A grid with the rest in its gaps, shaken differently at every start, each improved, the best kept.

Source: the kind of start that Sharma's OpenEvolve, 2025, found for this problem before it called an
optimiser. Ours shakes more from start to start.
"""

import numpy as np


def lattice(n):
    """As many points of a grid, and of the gaps between them, as there are circles."""
    side = max(int(np.sqrt(n)), 1)
    line, between = (np.arange(side) + 0.5) / side, np.arange(1, side) / side
    whole = np.stack(np.meshgrid(line, line), -1).reshape(-1, 2)
    gaps = np.stack(np.meshgrid(between, between), -1).reshape(-1, 2)
    return whole, gaps


def start(n, rng, shake):
    """A grid whose left-over circles lie in gaps drawn at random, or anywhere if there are none."""
    whole, gaps = lattice(n)
    left = n - len(whole)
    spare = rng.permutation(gaps)[:left] if len(gaps) >= left else rng.random((left, 2))
    centers = np.concatenate([whole, spare])
    return np.clip(centers + shake * rng.standard_normal(centers.shape), 0.0, 1.0)


def pack(n, rng, improve, evaluations):
    smallest, growth = 0.01, 1.5
    best, most = None, -1.0
    for attempt in range(evaluations):
        centers, total = improve(start(n, rng, smallest * growth**attempt))
        if total > most:
            best, most = centers, total
    return best
