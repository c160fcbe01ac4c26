"""Loop in a child, and wait for it without using any CPU time of its own.

Seen: held
Held from: weak
Bare: bites
Limits: tasks=2
"""

import os
import time


def attack(too_long_s, **others):
    if (child := os.fork()) == 0:
        while time.process_time() < too_long_s:
            pass
        os._exit(0)
    os.waitpid(child, 0)
    return "bitten"
