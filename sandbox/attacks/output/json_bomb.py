"""Send a frame of a hundred thousand opening brackets.

Seen: crashed
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
    header = b"[" * 100_000
    candidate._report([struct.pack("<4sIQ", b"EVW1", len(header), 0), header], shared)
    os._exit(0)
