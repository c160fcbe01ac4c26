"""Fill a shared mapping and let go of its pages, which then belong to nobody's figures.

Seen: over_limit, memory_mb
Held from: landlock
Bare: bites
"""

import mmap

PART = 8 << 20


def attack(too_much_mb, **others):
    memory = mmap.mmap(-1, too_much_mb << 20)
    for start in range(0, len(memory), PART):
        memory[start : start + PART] = bytes([7]) * PART
        memory.madvise(mmap.MADV_DONTNEED, start, PART)
    return "bitten" if memory[PART - 1] == 7 else "it was forgotten"
