"""Take too much memory before the entry point is even defined.

Seen: over_limit, memory_mb
Held from: weak
Bare: bites
"""

KEPT = bytearray(192 << 20)


def attack(**others):
    return f"bitten: {len(KEPT) >> 20} MB"
