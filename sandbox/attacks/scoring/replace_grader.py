"""Replace the function that grades it.

Seen: held
Held from: weak
Bare: bites
"""

import sys


def attack(**others):
    for module in list(sys.modules.values()):
        for name in ("grade", "score", "evaluate_outputs"):
            if callable(getattr(module, name, None)):
                setattr(module, name, lambda *_: True)
    return "wrong"
