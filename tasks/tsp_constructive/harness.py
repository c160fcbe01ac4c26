"""Builds tours step by step, asking a program for each next node."""

import numpy as np


def call(candidate, public, rng):
    """Give tours (tours, steps + 1), each from node 0 on.

    public: `distances` (tours, n, n), `unvisited` the nodes but the start, `steps`.
    There is nothing to hide here: a round trip is known in full from the start.
    Raises: ValueError for an answer that is no unvisited node.
    """
    tours = np.zeros((len(public["distances"]), public["steps"] + 1), dtype=np.int64)
    for tour, distances in zip(tours, public["distances"], strict=True):
        unvisited = public["unvisited"].copy()
        for step in range(1, len(tour)):
            chosen = candidate(int(tour[step - 1]), 0, unvisited.copy(), distances)
            left = unvisited != chosen
            if left.sum() != len(unvisited) - 1:
                raise ValueError(f"step {step} goes to {chosen!r}: give one of the unvisited nodes")
            tour[step] = chosen
            unvisited = unvisited[left]
    return tours
