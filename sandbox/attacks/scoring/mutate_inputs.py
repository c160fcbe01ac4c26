"""Sort its inputs in place, so that the next candidate has less to do.

Seen: crashed, read-only
Held from: weak
Bare: bites
"""


def attack(numbers, **others):
    numbers.sort()
    return "returned"
