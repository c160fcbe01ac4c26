"""Leave a word for the next candidate in the flags of standard input.

Seen: held
Held from: weak
Bare: none: it takes two candidates
"""

import fcntl
import os


def attack(**others):
    flags = fcntl.fcntl(0, fcntl.F_GETFL)
    if flags & os.O_APPEND:
        return "bitten: the last candidate's word is there"
    fcntl.fcntl(0, fcntl.F_SETFL, flags | os.O_APPEND)
    again = os.open("/dev/null", os.O_RDONLY)
    return "bitten" if fcntl.fcntl(again, fcntl.F_GETFL) & os.O_APPEND else "nobody will read it"
