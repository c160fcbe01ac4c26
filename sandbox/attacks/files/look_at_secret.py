"""Learn that a file exists, how large it is and when it was changed.

Seen: held
Held from: strict
Bare: bites
"""

import os


def attack(secret_file, **others):
    return f"bitten: {os.stat(secret_file).st_size} bytes"
