"""Watch and change every call that is made after it has returned.

Seen: held
Held from: weak
Bare: bites
"""

import sys


def attack(**others):
    def trace(frame, event, argument):
        frame.f_trace_lines = True
        return trace

    sys.settrace(trace)
    return "returned"
