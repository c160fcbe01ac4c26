"""Return while a child holds every pipe open.

Seen: held
Held from: weak
Bare: bites
"""

import os
import time


def attack(**others):
    if os.fork() == 0:
        time.sleep(2)
        os._exit(0)
    return "returned"
