"""Random weights."""


def weigh(features, k, rng):
    return rng.normal(size=len(features))
