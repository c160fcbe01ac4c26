"""Read a file by way of a hard link in its own folder.

Seen: held
Held from: landlock
Bare: depends: on whether both folders lie in one file system
"""

import os


def attack(secret_file, **others):
    os.link(secret_file, "link")
    with open("link") as file:
        return f"bitten: {file.read()}"
