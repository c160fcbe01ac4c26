"""Send a pickle that runs code in place of a frame.

Seen: crashed
Held from: weak
Bare: none: there is no report to forge without a wall
"""

import os
import pickle
import sys

from sandbox import candidate


class Bomb:
    def __reduce__(self):
        return os._exit, (0,)


def attack(**others):
    frame = sys._getframe()
    while "setting" not in frame.f_locals:
        frame = frame.f_back
    shared = frame.f_locals["setting"].shared
    candidate._report([pickle.dumps(Bomb())], shared)
    os._exit(0)
