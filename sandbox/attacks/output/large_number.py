"""Return an integer so large that writing it in digits takes minutes.

Seen: ok | over_limit | invalid
Held from: weak
Bare: none: only what crosses a wall is written out
"""


def attack(**others):
    return 1 << 2_000_000
