"""Random choice: any of the unvisited nodes, fixed for a node and how many are left."""

import numpy as np


def select_next_node(current, destination, unvisited, distances):
    draw = np.random.default_rng([current, len(unvisited)])
    return unvisited[draw.integers(len(unvisited))]
