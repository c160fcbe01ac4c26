"""Fill a shared mapping, which no limit on a process's own data counts.

Seen: over_limit, memory_mb | crashed
Held from: weak
Bare: bites
"""

import mmap
import time


def attack(too_much_mb, **others):
    memory = mmap.mmap(-1, too_much_mb << 20)
    for place in range(0, len(memory), mmap.PAGESIZE):
        memory[place] = 1
    time.sleep(0.1)  # it is held for longer than a moment
    return "bitten"
