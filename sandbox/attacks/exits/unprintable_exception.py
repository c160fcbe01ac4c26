"""Raise an exception that raises when it is printed.

Seen: crashed
Held from: weak
Bare: bites
"""


class Unprintable(Exception):
    def __str__(self):
        raise Unprintable

    __repr__ = __str__


def attack(**others):
    raise Unprintable
