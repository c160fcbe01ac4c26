"""A square grid, and what is left over in the gaps between four circles.

Source: the classical packing that others are compared with, 2.5414 for 26 circles: 25 of radius .1
and one of .0414.
"""

import numpy as np


def lattice(side):
    """The centres of a grid of side x side circles."""
    line = (np.arange(side) + 0.5) / side
    return np.stack(np.meshgrid(line, line), -1).reshape(-1, 2)


def gaps(side):
    """The points between four circles of the grid."""
    line = np.arange(1, side) / side
    return np.stack(np.meshgrid(line, line), -1).reshape(-1, 2)


def start(centers, rng):
    """As many points of the grid, then of its gaps, as there are circles."""
    side = max(int(np.sqrt(len(centers))), 1)
    places = np.concatenate([lattice(side), gaps(side), lattice(side + 1)])
    return np.clip(places[: len(centers)], 0.0, 1.0)


def pack(centers, rng, improve, evaluations):
    return start(centers, rng)
