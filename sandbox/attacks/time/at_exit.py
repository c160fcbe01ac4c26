"""Leave a hook that does its work after the result was given, when nobody looks any more.

Seen: ok
Held from: weak
Bare: bites
"""

import atexit
import os


def attack(target_folder, mark, **others):
    def later():
        with open(os.path.join(target_folder, mark), "w"):
            pass

    atexit.register(later)
    return "returned"
