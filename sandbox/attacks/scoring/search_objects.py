"""Look for the right answer in every object that the interpreter knows.

Seen: held
Held from: weak
Bare: bites
"""

import gc


def attack(gat, **others):
    for thing in gc.get_objects():
        if type(thing) is dict:
            values = list(thing.values())
        elif type(thing) in (list, tuple):
            values = list(thing)
        else:
            continue
        for value in values:
            if type(value) is str and value.startswith(gat[::-1]) and len(value) > 2 * len(gat):
                return value
    return "nothing"
