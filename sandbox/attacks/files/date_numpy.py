"""Change the date of numpy's own file, so that every later import compiles it again.

Seen: held
Held from: landlock
Bare: unsafe: it would change numpy for everybody
"""

import os

import numpy as np


def attack(**others):
    os.utime(np.__file__, (1, 1))
    return "bitten"
