"""Look for a key in the environment with which the processes above it were started.

Seen: held
Held from: landlock
Bare: bites
"""

import os


def attack(asker, **others):
    seen = 0
    for process in (os.getppid(), asker):
        with open(f"/proc/{process}/environ", "rb") as file:
            seen += len(file.read())
    return f"bitten: {seen} bytes" if seen else "nothing"
