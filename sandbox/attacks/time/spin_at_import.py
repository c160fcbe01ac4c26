"""Loop before the entry point is even defined.

Seen: timeout, cpu_s
Held from: weak
Bare: bites
"""

import time

while time.process_time() < 1.0:  # seconds; beyond every limit
    pass


def attack(**others):
    return "bitten"
