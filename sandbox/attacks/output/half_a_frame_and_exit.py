"""Send half a frame and end as if all were well.

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
    whole = b"".join(map(bytes, wire.encode({"kind": "ok", "reason": "", "value": 1.0})))
    candidate._report([whole[: len(whole) // 2]], shared)
    os._exit(0)
