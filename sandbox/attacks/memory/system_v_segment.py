"""Take a System V segment, which outlives every process.

Seen: held
Held from: landlock
Bare: bites
"""

import ctypes

IPC_PRIVATE, IPC_CREAT, IPC_RMID = 0, 0o1000, 0


def attack(too_much_mb, **others):
    libc = ctypes.CDLL(None, use_errno=True)
    segment = libc.shmget(IPC_PRIVATE, ctypes.c_size_t(too_much_mb << 20), IPC_CREAT | 0o600)
    if segment == -1:
        return f"refused: {ctypes.get_errno()}"
    libc.shmctl(segment, IPC_RMID, None)  # nothing is left by this program, but it could be
    return "bitten"
