"""Hold any of root's powers, in whatever set.

Seen: held
Held from: landlock
Bare: bites as root
"""

import ctypes
import struct

CAPGET, VERSION = 125, 0x20080522
PR_CAPBSET_READ, LAST = 23, 40


def attack(**others):
    libc = ctypes.CDLL(None, use_errno=True)
    header = ctypes.create_string_buffer(struct.pack("II", VERSION, 0))
    sets = ctypes.create_string_buffer(24)
    if libc.capget(header, sets):
        return f"refused: {ctypes.get_errno()}"
    held = struct.unpack("6I", sets.raw[:24])
    return f"bitten: {held}" if any(held) else "none"
