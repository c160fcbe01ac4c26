"""Fill a file that lies in memory only and is mapped nowhere.

Seen: held
Held from: weak
Bare: bites
"""

import os


def attack(too_much_mb, **others):
    memory = os.memfd_create("large")
    for _ in range(too_much_mb):
        os.write(memory, bytes(1 << 20))
    return f"bitten: {os.fstat(memory).st_size >> 20} MB"
