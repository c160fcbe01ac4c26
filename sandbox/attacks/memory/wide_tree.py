"""Return a small list that holds itself many times over.

Seen: over_limit | invalid | timeout
Held from: weak
Bare: none: only what crosses a wall is written out
"""


def attack(**others):
    tree = [0]
    for _ in range(60):
        tree = [tree, tree]
    return tree
