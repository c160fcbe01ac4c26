"""Change a file that everybody may write.

Seen: held
Held from: landlock
Bare: bites
"""


def attack(target_file, **others):
    with open(target_file, "r+") as file:
        file.truncate()
    return "bitten"
