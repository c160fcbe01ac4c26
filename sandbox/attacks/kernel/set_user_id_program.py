"""Run a program that runs as root whoever starts it.

Seen: held
Held from: landlock
Bare: depends: on whether the machine has this one
"""

import os
import subprocess

PROGRAM = "/usr/bin/chage"


def attack(**others):
    if not os.stat(PROGRAM).st_mode & 0o6000:
        return "not there"
    answer = subprocess.run([PROGRAM, "--help"], capture_output=True)
    return "bitten" if answer.stdout else "failed"
