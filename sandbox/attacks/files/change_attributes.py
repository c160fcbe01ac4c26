"""Write an extended attribute onto a file.

Seen: held
Held from: landlock
Bare: depends: on whether the file system has extended attributes
"""

import os


def attack(target_file, **others):
    os.setxattr(target_file, "user.left", b"1")
    return "bitten"
