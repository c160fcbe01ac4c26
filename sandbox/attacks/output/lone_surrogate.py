"""Return a text that cannot be encoded.

Seen: invalid
Held from: weak
Bare: none: only what crosses a wall is written out
"""


def attack(**others):
    return "\ud800"
