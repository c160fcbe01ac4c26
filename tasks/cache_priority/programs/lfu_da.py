"""LFU that ages: requests against the time since the last one, in capacities.

Source: Arlitt, Cherkasova, Dilley, Friedrich, Jin, "Evaluating Content Management Techniques for Web
Proxy Caches", 2000. Ours takes the key's own age in place of a clock that moves with the victims.
"""

import numpy as np

AGEING = 1.0


def priority(cache):
    return np.log(cache["total"]) - AGEING * np.log(cache["age"] / cache["capacity"])
