"""Make many files that hold nothing but a name.

Seen: held
Held from: landlock
Bare: bites
"""

import os

MANY = 500


def attack(**others):
    for number in range(MANY):
        os.close(os.open(f"empty-{number}", os.O_CREAT | os.O_WRONLY))
    return "bitten"
