"""End another process through a descriptor that names it.

Seen: held
Held from: landlock
Bare: bites
"""

import os
import signal


def attack(sibling, **others):
    signal.pidfd_send_signal(os.pidfd_open(sibling), signal.SIGTERM)
    return "bitten"
