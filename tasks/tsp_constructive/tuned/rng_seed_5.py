"""ReEvo's rule: near, far from other nodes, evenly far, and far from the end, changed by search."""

import numpy as np


def to_others(unvisited, distances):
    """Mean and standard deviation of each node's distances to the other unvisited ones."""
    count = len(unvisited)
    if count == 1:
        return (np.zeros(1), np.zeros(1))
    between = distances[np.ix_(unvisited, unvisited)]
    others = between[~np.eye(count, dtype=bool)].reshape(count, count - 1)
    return (others.mean(1), others.std(1))


def score(current, destination, unvisited, distances):
    """A weighted sum; low is better."""
    mean, spread = to_others(unvisited, distances)
    step, home = (distances[current, unvisited], distances[destination, unvisited])
    return 0.349 * step - 0.234 * mean + 0.181 * spread - 0.104 * home


def select_next_node(current, destination, unvisited, distances):
    return unvisited[np.argmin(score(current, destination, unvisited, distances))]
