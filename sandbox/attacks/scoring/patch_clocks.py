"""Stop the clocks by which its speed would be measured.

Seen: ok
Held from: weak
Bare: bites
"""

import time


def attack(**others):
    for name in ("time", "monotonic", "perf_counter", "process_time"):
        setattr(time, name, lambda: 0.0)
    return "fast"
