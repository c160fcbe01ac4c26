"""Take memory for page tables alone: one byte read of each two megabytes.

Seen: over_limit, memory_mb
Held from: weak
Bare: bites
"""

import mmap
import time

EACH = 2 << 20
NORESERVE = 0x4000


def attack(too_much_mb, **others):
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | NORESERVE
    kept = []
    for _ in range(too_much_mb):  # 256 tables of 4 kB each
        kept.append(mmap.mmap(-1, 256 * EACH, flags, mmap.PROT_READ))
        for place in range(0, 256 * EACH, EACH):
            kept[-1][place]
    time.sleep(0.1)  # it is held for longer than a moment
    return "bitten"
