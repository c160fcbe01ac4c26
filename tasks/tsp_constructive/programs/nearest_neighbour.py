"""Nearest neighbour: the node that is the nearest to here.

Source: Rosenkrantz, Stearns, Lewis, "An analysis of several heuristics for the traveling salesman
problem", 1977.
"""

import numpy as np


def score(current, destination, unvisited, distances):
    """Length of the step; low is better."""
    return distances[current, unvisited]


def select_next_node(current, destination, unvisited, distances):
    return unvisited[np.argmin(score(current, destination, unvisited, distances))]
