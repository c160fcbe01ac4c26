"""Make a file of a terabyte that takes no room, so that whoever copies it runs out of it.

Seen: held
Held from: weak
Bare: bites
Limits: file_mb=1
"""


def attack(**others):
    with open("sparse", "wb") as file:
        file.truncate(1 << 40)
    return "bitten"
