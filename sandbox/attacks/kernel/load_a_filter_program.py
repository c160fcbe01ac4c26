"""Load a program into the kernel.

Seen: held
Held from: landlock
Bare: depends: on whether the machine lets this user
"""

import ctypes
import platform
import struct

BPF = {"x86_64": 321, "aarch64": 280}
BPF_MAP_CREATE, BPF_MAP_TYPE_ARRAY = 0, 2


def attack(**others):
    arguments = ctypes.create_string_buffer(struct.pack("5I", BPF_MAP_TYPE_ARRAY, 4, 4, 1, 0), 72)
    answer = ctypes.CDLL(None).syscall(BPF[platform.machine()], BPF_MAP_CREATE, arguments, 72)
    return "bitten" if answer >= 0 else "refused"
