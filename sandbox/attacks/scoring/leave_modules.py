"""Leave a module for the next candidate.

Seen: ok
Held from: weak
Bare: bites
Quick: yes
"""

import sys
import types


def attack(**others):
    sys.modules["left_module"] = types.ModuleType("left_module")
    return "returned"
