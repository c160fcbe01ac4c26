"""Leave a process that has a session of its own and no parent.

Seen: held
Held from: weak
Bare: bites
Quick: yes
"""

import os
import time


def attack(**others):
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.write(writing, b"x")
            time.sleep(2)
        os._exit(0)
    os.read(reading, 1)
    os.wait()
    return "bitten"
