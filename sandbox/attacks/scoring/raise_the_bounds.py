"""Raise the bounds in its copy of the objects by which it is watched, then break them.

Seen: timeout, cpu_s
Held from: weak
Limits: cpu_s=0.3
Bare: none: nobody watches without a wall
"""

import gc
import time


def attack(too_long_s, **others):
    bounds = [thing for thing in gc.get_objects() if type(thing).__name__ == "Limits"]
    for thing in bounds:
        for name in vars(thing):
            object.__setattr__(thing, name, 1 << 30)
    while time.process_time() < too_long_s:
        pass
    return f"bitten: {len(bounds)} found"
