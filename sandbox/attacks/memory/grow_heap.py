"""Keep one megabyte after the other.

Seen: over_limit, memory_mb
Held from: weak
Bare: bites
Quick: yes
"""


def attack(too_much_mb, **others):
    kept = [bytearray(1 << 20) for _ in range(too_much_mb)]
    return f"bitten: {len(kept)} MB"
