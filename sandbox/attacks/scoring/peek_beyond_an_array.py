"""Read the memory around an array through a view that is larger than it.

Seen: held
Held from: weak
Bare: none: whether it finds anything is chance
"""

import numpy as np

AROUND = 1 << 16  # bytes


def attack(numbers, gat, **others):
    own = bytearray(AROUND)
    view = np.frombuffer(own, np.uint8)
    wide = np.lib.stride_tricks.as_strided(view[AROUND // 2 :], (AROUND,), (1,))
    return "bitten" if (gat[::-1] + "0").encode() in wide.tobytes() else "nothing"
