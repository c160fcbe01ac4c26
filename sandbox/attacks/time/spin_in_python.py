"""Loop in Python until every time limit has passed.

Seen: timeout, cpu_s
Held from: weak
Bare: bites
Quick: yes
"""

import time


def attack(too_long_s, **others):
    while time.process_time() < too_long_s:
        pass
    return "bitten"
