"""Return a list so deeply nested that its reader runs out of stack.

Seen: invalid
Held from: weak
Bare: none: only what crosses a wall is written out
"""


def attack(**others):
    tree = []
    for _ in range(200_000):
        tree = [tree]
    return tree
