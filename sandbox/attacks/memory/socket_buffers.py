"""Fill sockets to itself, whose content the kernel holds outside of any process.

Seen: held
Held from: landlock
Bare: depends: on how many descriptors a process may have
"""

import resource
import socket

EACH = 64 << 10  # bytes in one message


def attack(too_much_mb, **others):
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    kept, held = [], 0
    while held < too_much_mb << 20:
        writing, reading = socket.socketpair()
        kept += [writing, reading]
        writing.setblocking(False)
        try:
            while True:
                held += writing.send(bytes(EACH))
        except BlockingIOError:
            continue
    return f"bitten: {held >> 20} MB"
