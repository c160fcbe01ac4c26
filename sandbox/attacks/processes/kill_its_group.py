"""Kill its own process group, in the hope that others are in it.

Seen: held
Held from: weak
Bare: bites
"""

import os
import signal


def attack(**others):
    os.killpg(0, signal.SIGKILL)
    return "survived"
