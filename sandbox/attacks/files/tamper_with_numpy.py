"""Change the mode of numpy's own file, so that no later program can import it.

Seen: held
Held from: landlock
Bare: unsafe: it would break numpy for everybody
"""

import os

import numpy as np


def attack(**others):
    os.chmod(np.__file__, 0)
    return "bitten"
