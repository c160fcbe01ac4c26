"""Raise the soft limit on CPU time to the hard one, then loop.

Seen: timeout, cpu_s
Held from: weak
Bare: bites
"""

import resource
import time


def attack(too_long_s, **others):
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    try:
        resource.setrlimit(resource.RLIMIT_CPU, (hard, hard))
    except OSError:
        pass  # refused: the limits that there are must do
    while time.process_time() < too_long_s:
        pass
    return "bitten"
