"""Send a result with fields of its own: a score, a time, a level.

Seen: crashed, no candidate should write
Held from: weak
Bare: none: there is no report to forge without a wall
"""

import os
import sys

from sandbox import candidate, wire


def attack(**others):
    frame = sys._getframe()
    while "setting" not in frame.f_locals:
        frame = frame.f_back
    shared = frame.f_locals["setting"].shared
    forged = {"kind": "ok", "reason": "", "value": 1.0, "score": 1.0, "cpu_s": 0.0}
    candidate._report(wire.encode(forged), shared)
    os._exit(0)
