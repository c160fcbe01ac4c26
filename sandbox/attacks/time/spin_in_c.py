"""Loop in C with the interpreter's lock held, where no Python signal handler can run.

Seen: timeout, cpu_s
Held from: weak
Bare: bites
"""

import time

LONG = range(20_000_000)  # a good part of a second for one call


def attack(too_long_s, **others):
    while time.process_time() < too_long_s:
        sum(LONG)
    return "bitten"
