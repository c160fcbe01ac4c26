"""Read the kernel's log, which tells of other programs and of addresses.

Seen: held
Held from: landlock
Bare: depends: on whether the machine lets this user
"""

import ctypes

READ_ALL = 3


def attack(**others):
    buffer = ctypes.create_string_buffer(4096)
    return "bitten" if ctypes.CDLL(None).klogctl(READ_ALL, buffer, 4096) > 0 else "refused"
