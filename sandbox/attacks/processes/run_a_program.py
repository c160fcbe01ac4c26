"""Run another program, quickly enough that nobody sees it.

Seen: held
Held from: landlock
Bare: bites
"""

import subprocess


def attack(**others):
    return "bitten" if subprocess.check_output(["/bin/echo", "x"]) == b"x\n" else "failed"
