"""Run before every other process.

Seen: held
Held from: landlock
Bare: depends: on whether the machine lets this user
"""

import os


def attack(**others):
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    return "bitten"
