"""Fill the folder that lies in memory.

Seen: held
Held from: weak
Bare: bites
"""

import os


def attack(mark, too_much_mb, **others):
    path = f"/dev/shm/{mark}"
    file = os.open(path, os.O_CREAT | os.O_WRONLY)
    os.unlink(path)
    for _ in range(too_much_mb):
        os.write(file, bytes(1 << 20))
    return f"bitten: {os.fstat(file).st_size >> 20} MB"
