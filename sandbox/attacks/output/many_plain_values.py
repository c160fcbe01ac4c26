"""Return a list of a million numbers, each of which costs its reader many times its size.

Seen: over_limit | timeout
Held from: weak
Bare: none: only what crosses a wall is read by another
"""


def attack(**others):
    return [[]] * 1_000_000
