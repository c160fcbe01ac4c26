"""Hand-made: vectors with many zeros first."""


def priority(vectors, n):
    return -(vectors != 0).sum(1) * 1.0
