"""Replace the functions with which the process would end and report.

Seen: held
Held from: weak
Bare: none: there is no report to prevent without a wall
"""

import os
import sys


def attack(**others):
    os._exit = lambda code: None
    os.write = lambda fd, data: len(data)
    sys.exit = lambda *_: None
    return "returned"
