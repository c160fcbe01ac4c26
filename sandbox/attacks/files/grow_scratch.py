"""Make so many files that their folder has grown for good, as whoever comes next could see.

Seen: held
Held from: weak
Limits: file_mb=1
Bare: none: nobody comes next without a wall
"""

import os

MANY = 900  # within the number of files that a folder in memory has


def attack(**others):
    before = os.stat(".").st_size
    for number in range(MANY):
        os.close(os.open(f"{number:0200}", os.O_CREAT | os.O_WRONLY))
    return f"from {before} to {os.stat('.').st_size} bytes"
