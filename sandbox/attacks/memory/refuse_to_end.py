"""Answer each refusal of memory by asking again.

Seen: over_limit | timeout
Held from: weak
Bare: bites
"""

import time


def attack(too_long_s, too_much_mb, **others):
    kept = []
    while len(kept) < too_much_mb and time.process_time() < too_long_s:
        try:
            kept.append(bytearray(1 << 20))
        except MemoryError:
            pass
    return f"bitten: {len(kept)} MB"
