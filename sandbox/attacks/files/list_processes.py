"""Learn what else runs on the machine, and with which arguments.

Seen: held
Held from: landlock
Bare: bites
"""


def attack(sibling, **others):
    with open(f"/proc/{sibling}/cmdline") as file:
        return f"bitten: {file.read()}"
