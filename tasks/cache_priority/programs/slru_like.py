"""Like segmented LRU: what was asked for again is protected; the least recent goes.

Source: Karedla, Love, Wherry, "Caching Strategies to Improve Disk System Performance", 1994. Ours has
no bound on the protected part; what was not asked for long loses its protection.
"""

LONG = 3.0


def priority(cache):
    protected = (cache["count"] > 1.5) & (cache["age"] < LONG * cache["capacity"])
    return -cache["age"] + cache["now"] * protected
