"""Loop in one short child after the other, none of which takes long by itself.

Seen: timeout, cpu_s
Held from: weak
Bare: bites
Limits: tasks=2 wall_s=2
"""

import os
import time

EACH_S = 0.05


def attack(too_long_s, **others):
    for _ in range(int(too_long_s / EACH_S)):
        if (child := os.fork()) == 0:
            end = time.process_time() + EACH_S
            while time.process_time() < end:
                pass
            os._exit(0)
        os.waitpid(child, 0)
    return "bitten"
