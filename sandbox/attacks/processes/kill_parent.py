"""Kill the process that forked it.

Seen: held
Held from: landlock
Bare: bites
"""

import os
import signal


def attack(**others):
    parent = os.getppid()
    if parent == 0:  # in another namespace; the number would stand for itself
        return "unseen"
    os.kill(parent, signal.SIGKILL)
    return "bitten"
