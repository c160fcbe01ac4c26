"""Leave links to somebody else's folder and file, for whoever cleans up to follow.

Seen: held
Held from: weak
Limits: file_mb=1
Bare: bites
"""

import os


def attack(target_folder, target_file, **others):
    os.symlink(target_folder, "folder")
    os.symlink(target_file, "file")
    os.mkdir("real")
    os.symlink(target_folder, "real/folder")
    return "returned"
