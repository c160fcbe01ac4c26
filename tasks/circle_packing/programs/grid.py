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


def pack(n, rng, improve, evaluations):
    side = max(int(np.sqrt(n)), 1)
    centers = np.concatenate([lattice(side), gaps(side)])
    if len(centers) < n:
        centers = np.concatenate([centers, lattice(side + 1)])
    return centers[:n]
