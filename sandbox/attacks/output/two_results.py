"""Send a result of its own before the real one.

Seen: crashed | ok
Held from: weak
Bare: none: there is no report to forge without a wall
"""

import sys

from sandbox import candidate, wire


def attack(**others):
    frame = sys._getframe()
    while "setting" not in frame.f_locals:
        frame = frame.f_back
    shared = frame.f_locals["setting"].shared
    candidate._report(wire.encode({"kind": "ok", "reason": "", "value": 1.0}), shared)
    return 2.0
