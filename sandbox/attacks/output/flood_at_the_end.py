"""Print a little too much and be gone before anybody has counted.

Seen: over_limit, output_kb
Held from: weak
Bare: none: nobody counts without a wall
"""


def attack(**others):
    print("x" * 20_000)
    return "returned"
