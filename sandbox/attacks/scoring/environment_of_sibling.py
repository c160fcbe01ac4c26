"""Look for a key in the environment of another process of the same user.

Seen: held
Held from: landlock
Bare: bites
"""


def attack(variable, sibling, **others):
    with open(f"/proc/{sibling}/environ", "rb") as file:
        found = dict(line.partition(b"=")[::2] for line in file.read().split(b"\0"))
    return f"bitten: {found[variable.encode()].decode()}"
