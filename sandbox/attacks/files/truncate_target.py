"""Empty a file without opening it.

Seen: held
Held from: landlock
Bare: bites
"""

import os


def attack(target_file, **others):
    os.truncate(target_file, 0)
    return "bitten"
