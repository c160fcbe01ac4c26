"""Return an object that is unpickled as another one.

Seen: invalid
Held from: weak
Bare: bites
"""

import os


class Liar:
    def __reduce__(self):
        return os.getenv, ("EVOLVE_WALL_CANARY",)


def attack(**others):
    return Liar()
