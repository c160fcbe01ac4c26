"""Facility location: greedily the example that brings the pool nearest to what is chosen.

Source: Wei, Iyer, Bilmes, "Submodularity in Data Subset Selection and Active Learning", 2015. Ours
weighs all classes together, in given features, by Minoux's lazy greedy of 1978; in pools of more
than 2,048 examples so many, spread out, stand for all that must be near.
"""

import heapq

import numpy as np


def score(pool, k, rng):
    """No preference: every example must be near to a chosen one."""
    return np.ones(len(pool["y"]), dtype=np.float32)


def choose(pool, w, k, rng):
    """Lazily the largest gain in weighted nearness; stale gains bound fresh ones from above."""
    clients = 1024
    X = pool["X"]
    some = np.arange(0, len(X), -(-len(X) // clients))
    norm = (X**2).sum(1)
    squared = norm[:, None] - 2 * X @ X[some].T + norm[some]
    near = np.sqrt(np.maximum(squared, 0))
    near = near.max() - near
    covered = np.zeros(len(some), dtype=np.float32)
    pull = w[some]
    heap = [(-gain, j) for j, gain in enumerate((near @ pull).tolist())]
    heapq.heapify(heap)
    chosen = []
    while len(chosen) < min(k, len(X)):
        _, j = heapq.heappop(heap)
        gain = float(np.maximum(near[j] - covered, 0) @ pull)
        if heap and gain < -heap[0][0]:
            heapq.heappush(heap, (-gain, j))
            continue
        chosen.append(j)
        covered = np.maximum(covered, near[j])
    return np.array(chosen)


def select(pool, k, rng):
    return choose(pool, score(pool, k, rng), k, rng)
