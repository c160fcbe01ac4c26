"""Have later programs run without random addresses.

Seen: held
Held from: landlock
Bare: bites
"""

import ctypes

ADDR_NO_RANDOMIZE, ASK = 0x0040000, 0xFFFFFFFF


def attack(**others):
    libc = ctypes.CDLL(None)
    libc.personality(ctypes.c_ulong(ADDR_NO_RANDOMIZE))
    now = libc.personality(ctypes.c_ulong(ASK))
    return "bitten" if now != -1 and now & ADDR_NO_RANDOMIZE else "refused"
