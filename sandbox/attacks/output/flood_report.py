"""Send a result without an end.

Seen: over_limit | crashed | timeout
Held from: weak
Bare: none: there is no report to flood without a wall
Limits: wall_s=0.3
"""

import os


def attack(**others):
    while True:
        os.write(3, bytes(1 << 16))
