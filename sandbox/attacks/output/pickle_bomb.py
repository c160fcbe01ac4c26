"""Return an object that runs code of its own where it is unpickled.

Seen: invalid
Held from: weak
Bare: bites
"""

import os


class Bomb:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def attack(target_folder, mark, **others):
    return Bomb(os.path.join(target_folder, mark))
