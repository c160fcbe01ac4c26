"""Change the mode of a file, which needs no right to write it.

Seen: held
Held from: landlock
Bare: bites
"""

import os


def attack(target_file, **others):
    own = os.stat(target_file).st_uid == os.getuid()
    os.chmod(target_file if own else os.path.dirname(target_file), 0o700)
    return "bitten"
