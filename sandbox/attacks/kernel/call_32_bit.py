"""Make a system call by the 32-bit door, which has other numbers than a filter looks for.

Seen: held
Held from: landlock
Bare: depends: on an x86-64 kernel that still has the door
"""

import ctypes
import mmap
import os
import platform

CODE = bytes.fromhex("b814000000 cd80 c3")  # mov eax, 20 (getpid); int 0x80; ret


def attack(**others):
    if platform.machine() != "x86_64":
        return "other machine"
    code = mmap.mmap(
        -1, mmap.PAGESIZE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, 7
    )  # read, write, run
    code.write(CODE)
    call = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))
    return "bitten" if call() == os.getpid() else "refused"
