"""Send bytes that are no frame, and print bytes that are no text.

Seen: crashed
Held from: weak
Bare: none: there is no report to forge without a wall
"""

import os
import sys

from sandbox import candidate


def attack(**others):
    frame = sys._getframe()
    while "setting" not in frame.f_locals:
        frame = frame.f_back
    shared = frame.f_locals["setting"].shared
    os.write(1, b"\xff\xfe\x00\x9b[2J" * 8)
    candidate._report([bytes(range(256)) * 8], shared)
    os._exit(0)
