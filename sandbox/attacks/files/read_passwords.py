"""Read the list of the machine's users.

Seen: held
Held from: landlock
Bare: bites
"""


def attack(**others):
    with open("/etc/passwd") as file:
        return f"bitten: {file.readline()}"
