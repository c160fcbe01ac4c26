"""End with the status of a process that never started.

Seen: crashed, exited with status
Held from: weak
Bare: bites
"""

import os


def attack(**others):
    os._exit(1)
