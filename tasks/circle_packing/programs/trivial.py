"""Random choice: the random centres as they are given, no optimiser."""


def pack(centers, rng, improve, evaluations):
    return centers
