"""Stop every clock that Python knows, in the hope that the limits are measured with them.

Seen: timeout, cpu_s
Held from: weak
Bare: bites
"""

import resource
import time


def attack(too_long_s, **others):
    for name in ("time", "monotonic", "perf_counter", "process_time", "thread_time"):
        setattr(time, name, lambda: 0.0)
        setattr(time, name + "_ns", lambda: 0)
    while resource.getrusage(resource.RUSAGE_SELF).ru_utime < too_long_s:
        pass
    return "bitten"
