"""Fill thousands of pipes, whose contents are the kernel's memory.

Seen: crashed, Too many open files
Held from: weak
Bare: depends: on how many descriptors a process may have
"""

import os


def attack(too_much_mb, **others):
    for _ in range(too_much_mb * 16):  # 64 kB each
        _, writing = os.pipe()
        os.set_blocking(writing, False)
        os.write(writing, bytes(1 << 16))
    return "bitten"
