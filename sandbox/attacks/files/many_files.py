"""Fill the disk with files that are each within the bound.

Seen: held
Held from: strict
Bare: bites
Limits: file_mb=1
"""


def attack(too_much_mb, **others):
    for number in range(too_much_mb):
        with open(str(number), "wb") as file:
            file.write(bytes(1 << 20))
    return "bitten"
