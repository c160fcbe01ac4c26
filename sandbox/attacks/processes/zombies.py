"""Leave ended children unreaped, each of which holds a process id.

Seen: held
Held from: landlock
Bare: bites
"""

import os

MANY = 20


def attack(**others):
    for _ in range(MANY):
        if os.fork() == 0:
            os._exit(0)
    return "bitten"
