"""Ask for the interface by which files and sockets are used without a call for each.

Seen: held
Held from: landlock
Bare: depends: on whether the machine allows it
"""

import ctypes

IO_URING_SETUP = 425


def attack(**others):
    parameters = ctypes.create_string_buffer(120)
    return "bitten" if ctypes.CDLL(None).syscall(IO_URING_SETUP, 2, parameters) >= 0 else "refused"
