"""Most recently used, which is right for loops alone.

Source: Chou, DeWitt, "An Evaluation of Buffer Management Strategies for Relational Database Systems",
1985.
"""


def priority(cache):
    return 1.0 * cache["age"]
