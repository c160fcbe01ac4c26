"""Write to standard error without an end, past Python's own streams.

Seen: over_limit, output_kb
Held from: weak
Bare: bites
"""

import os

LARGE = 2 << 20  # bytes, a hundred times the limit


def attack(**others):
    for _ in range(LARGE // 1000):
        os.write(2, b"x" * 1000)
    return "bitten"
