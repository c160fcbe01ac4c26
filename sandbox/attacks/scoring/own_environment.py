"""Look for a key in its environment.

Seen: held
Held from: weak
Bare: bites
Quick: yes
"""

import os


def attack(variable, **others):
    return f"bitten: {os.environ[variable]}" if variable in os.environ else "nothing"
