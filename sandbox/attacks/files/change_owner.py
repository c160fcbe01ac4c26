"""Give a file away.

Seen: held
Held from: landlock
Bare: bites as root
"""

import os


def attack(target_file, **others):
    os.chown(target_file, 12345, 12345)
    return "bitten"
