"""Close every stream, so that whoever prints after it fails.

Seen: ok
Held from: weak
Bare: bites
"""

import os
import sys


def attack(**others):
    sys.stdout.close()
    os.close(2)
    sys.stderr = None
    return "returned"
