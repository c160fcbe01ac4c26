"""Have the kernel signal another process when something comes through a pipe.

Seen: held
Held from: landlock
Bare: bites
"""

import fcntl
import os
import signal
import time

F_SETSIG = 10


def attack(sibling, **others):
    reading, writing = os.pipe()
    fcntl.fcntl(reading, fcntl.F_SETOWN, sibling)
    fcntl.fcntl(reading, F_SETSIG, int(signal.SIGTERM))
    fcntl.fcntl(reading, fcntl.F_SETFL, os.O_ASYNC)
    os.write(writing, b"x")
    time.sleep(0.05)
    try:
        with open(f"/proc/{sibling}/stat") as file:
            return "bitten" if file.read().rpartition(")")[2].split()[0] == "Z" else "survived"
    except OSError:
        return "unseen"
