"""Delete a file.

Seen: held
Held from: landlock
Bare: bites
"""

import os


def attack(target_file, **others):
    os.unlink(target_file)
    return "bitten"
