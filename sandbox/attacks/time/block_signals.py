"""Block every signal in the thread that loops.

Seen: timeout, cpu_s
Held from: weak
Bare: bites
"""

import signal
import time


def attack(too_long_s, **others):
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    while time.process_time() < too_long_s:
        pass
    return "bitten"
