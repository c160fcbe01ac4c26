"""Read a file by way of a symbolic link in its own folder.

Seen: held
Held from: landlock
Bare: bites
"""

import os


def attack(secret_file, **others):
    os.symlink(secret_file, "link")
    with open("link") as file:
        return f"bitten: {file.read()}"
