"""End the process at once, as if all were well.

Seen: crashed, exited with status 0
Held from: weak
Bare: bites
Quick: yes
"""

import os


def attack(**others):
    os._exit(0)
