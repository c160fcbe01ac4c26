"""List the folder in which keys lie.

Seen: held
Held from: landlock
Bare: bites
"""

import os
import pwd


def attack(secret_file, **others):
    for place in (os.path.dirname(secret_file), pwd.getpwuid(os.getuid()).pw_dir, "/home", "/etc"):
        try:
            return f"bitten: {os.listdir(place)}"
        except OSError:
            continue
    return "refused"
