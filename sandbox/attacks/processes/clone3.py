"""Make a child by the newer call, whose arguments no filter can read.

Seen: held
Held from: landlock
Bare: bites
"""

import ctypes
import os
import signal

CLONE3 = 435


class Arguments(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_uint64)
        for name in ("flags", "pidfd", "child", "parent", "signal", "stack", "size", "tls")
    ]


def attack(**others):
    arguments = Arguments(signal=signal.SIGCHLD)
    child = ctypes.CDLL(None).syscall(
        CLONE3, ctypes.byref(arguments), ctypes.c_size_t(ctypes.sizeof(arguments))
    )
    if child == 0:
        os._exit(5)
    if child == -1:
        return "refused"
    return "bitten" if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 5 else "failed"
