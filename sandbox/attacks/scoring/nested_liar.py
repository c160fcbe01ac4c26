"""Return a plain list in the depth of which a liar sits.

Seen: invalid
Held from: weak
Bare: none: the careless grader looks at the outside only
"""


class Liar(dict):
    def items(self):
        return [("score", 1e9)]


def attack(**others):
    return [[{"inner": Liar(score=0.0)}]]
