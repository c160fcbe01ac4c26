"""Give a file another name.

Seen: held
Held from: landlock
Bare: bites
"""

import os


def attack(target_file, **others):
    os.rename(target_file, target_file + "x")
    return "bitten"
