"""Multistart: random centres, each start improved, the best kept.

Source: the reference of the published programs' protocol (random starts of SLSQP). Ours has the
task's own local optimiser.
"""


def start(n, rng):
    """Centres anywhere."""
    return rng.random((n, 2))


def pack(n, rng, improve, evaluations):
    best, most = None, -1.0
    for _ in range(evaluations):
        centers, total = improve(start(n, rng))
        if total > most:
            best, most = centers, total
    return best
