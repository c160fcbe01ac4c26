"""Stop the process that watches it, and so every limit that is watched.

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
    os.kill(parent, signal.SIGSTOP)
    return "bitten"
