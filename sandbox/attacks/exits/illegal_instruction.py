"""Jump into bytes that are no instructions.

Seen: crashed
Held from: weak
Bare: bites
"""

import ctypes
import mmap


def attack(**others):
    code = mmap.mmap(
        -1, mmap.PAGESIZE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, 7
    )  # read, write, run
    code.write(b"\x0f\x0b" * 8)  # ud2; no instruction on other machines either
    ctypes.CFUNCTYPE(None)(ctypes.addressof(ctypes.c_char.from_buffer(code)))()
