"""A grid with the rest in its gaps, shaken differently at every start, each improved, the best kept.

Source: the kind of start that Sharma's OpenEvolve, 2025, found for this problem before it called an
optimiser. Ours shakes more from start to start.
"""

import numpy as np


def lattice(side):
    """The points of a grid of side x side circles, and the gaps between four of them."""
    line, between = (np.arange(side) + 0.5) / side, np.arange(1, side) / side
    whole = np.stack(np.meshgrid(line, line), -1).reshape(-1, 2)
    gaps = np.stack(np.meshgrid(between, between), -1).reshape(-1, 2)
    return whole, gaps


def grid(centers, rng):
    """A grid whose left-over circles lie in gaps drawn at random, or anywhere if there are none."""
    whole, gaps = lattice(max(int(np.sqrt(len(centers))), 1))
    left = len(centers) - len(whole)
    spare = rng.permutation(gaps)[:left] if len(gaps) >= left else rng.random((left, 2))
    return np.concatenate([whole, spare])


def start(centers, rng, shake):
    """The grid, each of its points moved by so much."""
    step = shake * rng.standard_normal(centers.shape)
    return np.clip(grid(centers, rng) + step, 0.0, 1.0)


def pack(centers, rng, improve, evaluations):
    smallest, growth = 0.01, 1.5
    best, most = centers, -1.0
    for attempt in range(evaluations):
        found, total = improve(start(best, rng, smallest * growth**attempt))
        if total > most:
            best, most = found, total
    return best
