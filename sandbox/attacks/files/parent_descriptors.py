"""Open what its parent has open, to write an answer in its place.

Seen: held
Held from: landlock
Bare: bites
"""

import os


def attack(**others):
    parent = f"/proc/{os.getppid()}/fd"
    for name in os.listdir(parent):
        try:
            os.close(os.open(f"{parent}/{name}", os.O_WRONLY))
        except OSError:
            continue
        return f"bitten: descriptor {name} of the parent"
    return "refused"
