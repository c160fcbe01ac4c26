"""Die as a process dies when the machine is out of memory.

Seen: over_limit, SIGKILL | crashed | ok
Held from: weak
Bare: bites
"""

import os
import signal


def attack(**others):
    os.kill(os.getpid(), signal.SIGKILL)
    return "survived"
