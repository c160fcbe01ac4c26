"""Return an object that is equal to everything.

Seen: invalid
Held from: weak
Bare: bites
"""


class Liar:
    def __eq__(self, other):
        return True

    __hash__ = None


def attack(**others):
    return Liar()
