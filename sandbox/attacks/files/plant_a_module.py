"""Leave a module that every later Python imports as it starts.

Seen: held
Held from: landlock
Bare: unsafe: it would change this Python for everybody
"""

import os

import numpy as np


def attack(mark, **others):
    packages = os.path.dirname(os.path.dirname(np.__file__))
    with open(os.path.join(packages, f"{mark}.pth"), "w") as file:
        file.write("#\n")
    return "bitten"
