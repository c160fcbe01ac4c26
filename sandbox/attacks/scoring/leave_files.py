"""Leave a file in the working folder for the next candidate.

Seen: held
Held from: weak
Bare: bites
"""


def attack(**others):
    open("left", "w").close()
    return "returned"
