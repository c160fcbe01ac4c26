"""Raise an exception with a novel for a message.

Seen: crashed, ValueError: aaaa
Held from: weak
Bare: none: a long message harms nobody by itself
"""


def attack(**others):
    raise ValueError("a" * 10_000_000)
