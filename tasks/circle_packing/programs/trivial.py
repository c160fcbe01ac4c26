"""Random choice: centres anywhere, no optimiser."""


def pack(n, rng, improve, evaluations):
    return rng.random((n, 2))
