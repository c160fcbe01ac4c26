"""Return a text of a kind that is equal to everything.

Seen: invalid
Held from: weak
Bare: bites
"""


class Liar(str):
    def __eq__(self, other):
        return True

    __hash__ = None


def attack(**others):
    return Liar("wrong")
