"""Take the identity of another user.

Seen: held
Held from: landlock
Bare: bites as root
"""

import os

ANOTHER = 12345


def attack(**others):
    os.setresuid(ANOTHER, ANOTHER, ANOTHER)
    return "bitten" if os.getuid() == ANOTHER else "failed"
