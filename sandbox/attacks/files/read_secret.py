"""Read a file that everybody may read.

Seen: held
Held from: landlock
Bare: bites
Quick: yes
"""


def attack(secret_file, **others):
    with open(secret_file) as file:
        return f"bitten: {file.read()}"
