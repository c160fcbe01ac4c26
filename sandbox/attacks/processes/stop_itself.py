"""Stop, so that whoever waits for its end waits for ever.

Seen: timeout, wall_s | ok | crashed
Held from: weak
Bare: bites
Limits: wall_s=0.3
"""

import os
import signal


def attack(**others):
    os.kill(os.getpid(), signal.SIGSTOP)
    return "survived"
