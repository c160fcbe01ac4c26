"""Leave a file for a later candidate in a folder that everybody knows.

Seen: held
Held from: landlock
Bare: bites
"""

import os
import tempfile


def attack(mark, **others):
    left = []
    for folder in (tempfile.gettempdir(), "/tmp", "/var/tmp", "/dev/shm"):
        try:
            os.close(os.open(os.path.join(folder, mark), os.O_CREAT | os.O_WRONLY))
            left.append(folder)
        except OSError:
            continue
    return f"bitten: {left}" if "/tmp" in left or "/dev/shm" in left else "refused"
