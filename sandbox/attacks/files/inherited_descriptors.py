"""Read whatever files are open already.

Seen: held
Held from: weak
Bare: bites
"""

import os


def attack(gat, **others):
    for fd in range(3, 256):
        try:
            found = os.pread(fd, 1000, 0)
        except OSError:
            continue
        if found.startswith(gat[::-1].encode()):
            return f"bitten: {found.decode()}"
    return "nothing"
