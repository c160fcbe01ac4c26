"""Fill many files in memory, each within the bound on one file.

Seen: held
Held from: landlock
Bare: bites
Limits: file_mb=1
"""

import os


def attack(too_much_mb, **others):
    kept = []
    for _ in range(too_much_mb):
        kept.append(os.memfd_create("small"))
        os.write(kept[-1], bytes(1 << 20))
    return f"bitten: {len(kept)} MB"
