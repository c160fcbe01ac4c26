"""End the process before the entry point is even defined.

Seen: crashed, exited with status 7
Held from: weak
Bare: bites
"""

import os

os._exit(7)
