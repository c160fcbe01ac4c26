"""Fill pipes, whose content the kernel holds outside of any process.

Seen: held
Held from: landlock
Bare: depends: on the machine's bounds on pipes
"""

import fcntl
import os

EACH = 1 << 20  # bytes; more is for root only


def attack(too_much_mb, **others):
    held = 0
    while held < too_much_mb << 20:
        _, writing = os.pipe()
        os.set_blocking(writing, False)
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, EACH)
        held += os.write(writing, bytes(EACH))
    return f"bitten: {held >> 20} MB"
