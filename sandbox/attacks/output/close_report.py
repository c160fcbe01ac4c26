"""Close every descriptor, the one for its result included.

Seen: crashed
Held from: weak
Bare: none: there is no report to close without a wall
"""

import os


def attack(**others):
    os.closerange(0, 99)
