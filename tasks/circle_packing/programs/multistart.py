"""Multistart: random centres, each start improved, the best kept.

Source: the reference of the published programs' protocol (random starts of SLSQP). Ours has the
task's own local optimiser.
"""


def start(centers, rng):
    """Centres anywhere, whatever the best ones are."""
    low, high = 0.0, 1.0
    return rng.uniform(low, high, centers.shape)


def pack(centers, rng, improve, evaluations):
    best, most = centers, -1.0
    for _ in range(evaluations):
        found, total = improve(start(best, rng))
        if total > most:
            best, most = found, total
    return best
