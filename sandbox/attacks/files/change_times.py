"""Change when a file says that it was written.

Seen: held
Held from: landlock
Bare: bites
"""

import os


def attack(target_file, **others):
    os.utime(target_file, (1, 1))
    return "bitten"
