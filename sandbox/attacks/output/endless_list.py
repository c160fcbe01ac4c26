"""Return a list that holds itself.

Seen: invalid
Held from: weak
Bare: none: only what crosses a wall is written out
"""


def attack(**others):
    endless = []
    endless.append(endless)
    return endless
