"""Match a regular expression that takes exponential time.

Seen: timeout, cpu_s
Held from: weak
Bare: bites
"""

import re
import time


def attack(too_long_s, **others):
    while time.process_time() < too_long_s:
        re.match("(a+)+b", "a" * 22)
    return "bitten"
