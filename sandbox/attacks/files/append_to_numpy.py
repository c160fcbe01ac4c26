"""Add a line to a file that every later program imports.

Seen: held
Held from: landlock
Bare: unsafe: it would change numpy for everybody
"""

import numpy as np


def attack(**others):
    with open(np.__file__, "a") as file:
        file.write("#\n")
    return "bitten"
