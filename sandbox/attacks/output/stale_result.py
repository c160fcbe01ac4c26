"""Claim the result that the honest program before it left in the memory where results lie.

Seen: held
Held from: weak
Bare: none: there is no report to forge without a wall
"""

import os
import struct
import sys


def attack(**others):
    frame = sys._getframe()
    while "setting" not in frame.f_locals:
        frame = frame.f_back
    if found := bytes(frame.f_locals["setting"].shared).strip(b"\0"):
        return f"bitten: {found[:99]}"
    os.write(3, struct.pack("<Q", 1000))
    os._exit(0)
