"""Reference: the best of 200 random orders, each tried in full, with ties broken as the grader does."""

import itertools

import numpy as np

TRIES = 200


def priority(vectors, n, private):
    draw = np.random.default_rng(1)
    return max((draw.permutation(len(vectors)) + 1 for _ in range(TRIES)), key=size(vectors))


def size(vectors):
    points = vectors.astype(np.int64)
    powers = 3 ** np.arange(points.shape[1] - 1, -1, -1)

    def measured(ranks):
        blocked = np.zeros(len(points), dtype=bool)
        taken = np.empty_like(points)
        count = itertools.count()
        number = 0
        for at in np.argsort(-ranks):
            if not blocked[at]:
                blocked[-(taken[:number] + points[at]) % 3 @ powers] = True
                taken[number] = points[at]
                number = next(count) + 1
        return number

    return measured
