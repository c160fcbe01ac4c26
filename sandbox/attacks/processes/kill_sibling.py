"""End another process of the same user.

Seen: held
Held from: landlock
Bare: bites
"""

import os
import signal


def attack(sibling, **others):
    os.kill(sibling, signal.SIGTERM)
    return "bitten"
