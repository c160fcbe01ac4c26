"""Replace what every module uses without an import.

Seen: ok
Held from: weak
Bare: bites
"""

import builtins


def attack(**others):
    builtins.left_here = builtins.sum
    builtins.float = builtins.bool = lambda *_: 1.0
    return "wrong"
