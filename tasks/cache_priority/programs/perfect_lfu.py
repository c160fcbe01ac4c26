"""Perfect LFU: requests are counted beyond the stay in the cache.

Source: Breslau, Cao, Fan, Phillips, Shenker, "Web Caching and Zipf-like Distributions", 1999. Ours
forgets keys that left long ago; among equals the least recently used goes.
"""

RECENCY = 0.5


def priority(cache):
    return cache["total"] - RECENCY * cache["age"] / cache["now"]
