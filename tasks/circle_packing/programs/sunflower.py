"""A sunflower's spiral for a start, turned and shaken, each improved, the best kept.

Source: Vogel, "A better way to construct the sunflower head", 1979; as a start for this problem in
Lange, Imajuku, Cetin, "ShinkaEvolve: Towards Open-Ended And Sample-Efficient Program Evolution", 2025.
Ours has neither its annealing nor its own optimiser.
"""

import numpy as np


def start(n, rng):
    """Points at golden angles, turned at random and shaken."""
    reach, shake = 0.47, 0.03
    turn = np.pi * (3.0 - np.sqrt(5.0))
    angle = turn * np.arange(n) + rng.uniform(0.0, 2 * np.pi)
    radius = reach * np.sqrt((np.arange(n) + 0.5) / n)
    spiral = 0.5 + radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)
    return np.clip(spiral + shake * rng.standard_normal((n, 2)), 0.0, 1.0)


def pack(n, rng, improve, evaluations):
    best, most = None, -1.0
    for _ in range(evaluations):
        centers, total = improve(start(n, rng))
        if total > most:
            best, most = centers, total
    return best
