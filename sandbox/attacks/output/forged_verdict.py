"""Send a frame that says of itself what only the watch may say.

Seen: crashed, no candidate should write
Held from: weak
Bare: none: there is no report to forge without a wall
Quick: yes
"""

import os
import sys

from sandbox import candidate, wire


def attack(**others):
    frame = sys._getframe()
    while "setting" not in frame.f_locals:
        frame = frame.f_back
    shared = frame.f_locals["setting"].shared
    candidate._report(wire.encode({"kind": "won", "reason": "", "value": 1.0}), shared)
    os._exit(0)
