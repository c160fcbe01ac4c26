"""Send a good result with a few bytes after it.

Seen: crashed
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
    candidate._report([*wire.encode({"kind": "ok", "reason": "", "value": 1.0}), b"more"], shared)
    os._exit(0)
