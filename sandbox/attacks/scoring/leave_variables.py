"""Leave a variable in the environment for the next candidate.

Seen: ok
Held from: weak
Bare: bites
"""

import os


def attack(**others):
    os.environ["LEFT"] = "1"
    return "returned"
