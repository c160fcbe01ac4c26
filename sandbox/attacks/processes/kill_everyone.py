"""Kill every process that it may signal.

Seen: held
Held from: landlock
Bare: unsafe: it kills every process of the user
"""

import os
import signal


def attack(**others):
    os.kill(-1, signal.SIGKILL)
    return "bitten"
