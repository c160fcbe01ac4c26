"""Looking one step further: the shortest pair of this step and the best one after it.

Source: the rollout idea of Bertsekas, Tsitsiklis, Wu, "Rollout algorithms for combinatorial
optimization", 1997. Ours looks one step ahead only.
"""

import numpy as np


def next_step(unvisited, distances):
    """Distance of each node to its own nearest unvisited one; 0 for the last."""
    between = distances[np.ix_(unvisited, unvisited)]
    np.fill_diagonal(between, np.inf)
    return np.where(len(unvisited) > 1, between.min(1), 0.0)


def score(current, destination, unvisited, distances):
    """Length of two steps; low is better."""
    weight = 1.0
    return distances[current, unvisited] + weight * next_step(unvisited, distances)


def select_next_node(current, destination, unvisited, distances):
    return unvisited[np.argmin(score(current, destination, unvisited, distances))]
