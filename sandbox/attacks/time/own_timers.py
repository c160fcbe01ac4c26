"""Answer each tick of its own timer by looping on, also while the result is sent.

Seen: timeout, cpu_s
Held from: weak
Bare: bites
"""

import signal
import time


def attack(too_long_s, **others):
    def loop(*_):
        while time.process_time() < too_long_s:
            pass

    for number, timer in (
        (signal.SIGALRM, signal.ITIMER_REAL),
        (signal.SIGVTALRM, signal.ITIMER_VIRTUAL),
        (signal.SIGPROF, signal.ITIMER_PROF),
        (signal.SIGXCPU, None),
    ):
        signal.signal(number, loop)
        if timer is not None:
            signal.setitimer(timer, 0.01, 0.01)
    loop()
    return "bitten"
