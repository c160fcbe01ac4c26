"""Fork a handful of children that live at once.

Seen: held
Held from: weak
Bare: bites
Quick: yes
"""

import os
import time

MANY = 6


def attack(**others):
    children = []
    for _ in range(MANY):
        if (child := os.fork()) == 0:
            time.sleep(0.5)
            os._exit(0)
        children.append(child)
    codes = [os.waitpid(child, 0)[1] for child in children]
    return "bitten" if codes == [0] * MANY else f"ended: {codes}"
