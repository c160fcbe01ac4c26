"""A sunflower's spiral for a start, turned and shaken, each improved, the best kept.

Source: Vogel, "A better way to construct the sunflower head", 1979; as a start for this problem in
Lange, Imajuku, Cetin, "ShinkaEvolve: Towards Open-Ended And Sample-Efficient Program Evolution", 2025.
Ours has neither its annealing nor its own optimiser.
"""

import numpy as np


def spiral(count, turn):
    """Points at golden angles from the middle of the square, turned by an angle."""
    reach = 0.47
    angle = np.pi * (3.0 - np.sqrt(5.0)) * np.arange(count) + turn
    radius = reach * np.sqrt((np.arange(count) + 0.5) / count)
    return 0.5 + radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)


def start(centers, rng):
    """A spiral turned at random and shaken, whatever the best centres are."""
    shake = 0.03
    step = shake * rng.standard_normal(centers.shape)
    return np.clip(spiral(len(centers), rng.uniform(0.0, 2 * np.pi)) + step, 0.0, 1.0)


def pack(centers, rng, improve, evaluations):
    best, most = centers, -1.0
    for _ in range(evaluations):
        found, total = improve(start(best, rng))
        if total > most:
            best, most = found, total
    return best
