"""Leave another program running, in a session of its own and without a parent.

Seen: held
Held from: weak
Bare: bites
"""

import os


def attack(mark, **others):
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:  # the pipe closes as it becomes the program
            os.execv("/bin/sh", ["sh", "-c", "sleep 2", mark])
        os._exit(0)
    os.close(writing)
    os.read(reading, 1)
    os.wait()
    return "bitten"
