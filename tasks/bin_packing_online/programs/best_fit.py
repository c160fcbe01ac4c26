"""Best fit: the bin in which the least room is left.

Source: Johnson, Demers, Ullman, Garey, Graham, "Worst-case performance bounds for simple
one-dimensional packing algorithms", 1974.
"""


def priority(capacity, item, bins):
    return item - bins
