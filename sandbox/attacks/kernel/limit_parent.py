"""Change the limits of the process that forked it.

Seen: held
Held from: landlock
Bare: bites
"""

import os
import resource


def attack(**others):
    parent = os.getppid()
    if parent == 0:  # in another namespace; the number would stand for itself
        return "unseen"
    _, hard = resource.prlimit(parent, resource.RLIMIT_NOFILE)
    resource.prlimit(parent, resource.RLIMIT_NOFILE, (16, hard))
    return "bitten"
