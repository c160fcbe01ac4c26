"""Print without an end.

Seen: over_limit, output_kb
Held from: weak
Bare: bites
Quick: yes
"""

LARGE = 2 << 20  # bytes, a hundred times the limit


def attack(**others):
    for _ in range(LARGE // 1000):
        print("x" * 999)
    return "bitten"
