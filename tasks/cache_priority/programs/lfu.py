"""Least frequently used since it came in; among equals the least recently used.

Source: Coffman, Denning, "Operating Systems Theory", 1973.
"""

RECENCY = 0.5


def priority(cache):
    return cache["count"] - RECENCY * cache["age"] / cache["now"]
