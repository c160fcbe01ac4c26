"""First in, first out.

Source: Belady, "A Study of Replacement Algorithms for a Virtual-Storage Computer", 1966.
"""


def priority(cache):
    return -1.0 * cache["stay"]
