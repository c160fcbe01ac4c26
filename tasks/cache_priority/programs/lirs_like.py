"""Like LIRS: the longest time between two requests, or since the last one, has to go.

Source: Jiang, Zhang, "LIRS: An Efficient Low Inter-reference Recency Set Replacement Policy to Improve
Buffer Cache Performance", 2002. Ours has no queue: what is young is left alone.
"""

import numpy as np

AT_LEAST = 0.05


def priority(cache):
    young = cache["age"] < AT_LEAST * cache["capacity"]
    distance = np.maximum(cache["gap"], cache["age"])
    return -np.where(young, cache["age"], distance)
