"""Like 2Q: new keys form a short queue, from which only those asked for before are kept.

Source: Johnson, Shasha, "2Q: A Low Overhead High Performance Buffer Management Replacement Algorithm",
1994. Ours knows a key again by its count beyond the stay, and keeps no queue lengths.
"""

import numpy as np

IN = 0.25


def priority(cache):
    again = cache["total"] > cache["count"]
    young = cache["stay"] < IN * cache["capacity"]
    return np.where(again | young, -cache["age"], -cache["stay"] - cache["now"])
