"""Write one file beyond the bound.

Seen: held
Held from: weak
Bare: bites
Limits: file_mb=1
"""


def attack(**others):
    with open("large", "wb") as file:
        file.write(bytes(4 << 20))
    return "bitten"
