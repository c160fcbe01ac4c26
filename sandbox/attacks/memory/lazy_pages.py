"""Map much memory at once and touch it bit by bit.

Seen: over_limit, memory_mb | crashed, Cannot allocate memory
Held from: weak
Bare: bites
"""

import mmap


def attack(too_much_mb, **others):
    memory = mmap.mmap(-1, too_much_mb << 20, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    for place in range(0, len(memory), mmap.PAGESIZE):
        memory[place] = 1
    return "bitten"
