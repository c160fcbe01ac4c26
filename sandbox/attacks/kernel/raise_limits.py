"""Lift the hard limit on files, then write one.

Seen: held
Held from: landlock
Bare: bites
"""

import resource


def attack(**others):
    none = resource.RLIM_INFINITY
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (none, none))
    except (OSError, ValueError):
        pass
    with open("large", "wb") as file:
        file.write(bytes(1 << 20))
    return "bitten"
