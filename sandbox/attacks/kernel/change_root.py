"""Change its root folder, the first step out of one.

Seen: held
Held from: landlock
Bare: bites as root
"""

import os


def attack(**others):
    os.chroot(".")
    return "bitten"
