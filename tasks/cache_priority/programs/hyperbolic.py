"""Hyperbolic caching: requests per time in the cache.

Source: Blankstein, Sen, Freedman, "Hyperbolic Caching: Flexible Caching for Web Applications", 2017.
Ours looks at all keys where the paper draws 64, and has exponents, which are one in the paper.
"""

COUNT, AGE = 1.0, 1.0


def priority(cache):
    return cache["count"] ** COUNT / cache["stay"] ** AGE
