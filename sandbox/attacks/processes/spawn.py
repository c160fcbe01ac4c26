"""Run another program without a fork that Python knows of.

Seen: held
Held from: landlock
Bare: bites
"""

import os


def attack(**others):
    child = os.posix_spawn("/bin/sh", ["sh", "-c", "exit 5"], {})
    return "bitten" if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 5 else "failed"
