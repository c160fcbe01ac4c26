"""Ignore every signal and swallow every exception, then loop.

Seen: timeout, cpu_s
Held from: weak
Bare: bites
"""

import signal
import time


def attack(too_long_s, **others):
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        try:
            signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError):
            pass
    while True:
        try:
            while time.process_time() < too_long_s:
                pass
            return "bitten"
        except BaseException:
            pass
