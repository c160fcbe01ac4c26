"""Savings in sequence: the node for which joining here saves most against two trips from the start.

Source: Clarke, Wright, "Scheduling of vehicles from a central depot to a number of delivery points",
1964. Ours goes on from one end of the tour only, and weighs the trip home by a factor.
"""

import numpy as np


def score(current, destination, unvisited, distances):
    """Length of the step less a share of the way home; low is better."""
    share = 0.4
    return distances[current, unvisited] - share * distances[destination, unvisited]


def select_next_node(current, destination, unvisited, distances):
    return unvisited[np.argmin(score(current, destination, unvisited, distances))]
