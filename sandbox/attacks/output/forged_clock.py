"""Send the record again with which a candidate's clocks are started, set far ahead.

Seen: crashed | timeout
Held from: weak
Limits: cpu_s=0.3
Bare: none: there is no report to forge without a wall
"""

import os
import struct
import time


def attack(**others):
    os.write(3, struct.pack("<ddQQ", time.monotonic() + 1e6, 1e6, 0, 0))
    while time.process_time() < 2:
        pass
    return 1.0
