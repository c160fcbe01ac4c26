"""Put another driver in place of the one that calls it, here and for the next candidate.

Seen: ok
Held from: weak
Bare: none: the careless evaluator is its own driver
Harness: yes
"""

import sys


def attack(**others):
    harness = sys.modules.get("harness")

    def forged(*_):
        return "forged"

    if harness is not None:
        harness.call = harness.step = forged
    frame = sys._getframe()
    while frame is not None:
        for name in ("call", "step"):
            if name in frame.f_globals:
                frame.f_globals[name] = forged
        frame = frame.f_back
    return "returned"
