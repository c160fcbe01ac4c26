"""Send a frame that declares more bytes than any machine has.

Seen: crashed | over_limit
Held from: weak
Bare: none: there is no report to forge without a wall
"""

import os
import struct
import sys

from sandbox import candidate


def attack(**others):
    frame = sys._getframe()
    while "setting" not in frame.f_locals:
        frame = frame.f_back
    shared = frame.f_locals["setting"].shared
    candidate._report([struct.pack("<4sIQ", b"EVW1", (1 << 32) - 1, (1 << 64) - 1)], shared)
    os._exit(0)
