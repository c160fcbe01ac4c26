"""Send half a frame and fall silent.

Seen: timeout, wall_s
Held from: weak
Bare: none: there is no report to forge without a wall
Limits: wall_s=0.3
"""

import os
import sys
import time

from sandbox import wire


def attack(**others):
    frame = sys._getframe()
    while "setting" not in frame.f_locals:
        frame = frame.f_back
    shared = frame.f_locals["setting"].shared
    whole = b"".join(map(bytes, wire.encode({"kind": "ok", "reason": "", "value": 1.0})))
    shared[: len(whole) // 2] = whole[: len(whole) // 2]
    os.write(3, b"half")
    time.sleep(4)
