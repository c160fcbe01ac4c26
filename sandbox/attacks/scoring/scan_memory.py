"""Look for the right answer in its own memory, the part that it shares with its parent included.

Seen: held
Held from: weak
Bare: bites
"""

import ctypes
import re


def attack(gat, **others):
    secret = re.compile(gat[::-1].encode() + b"[0-9a-f]{32}")
    try:
        with open("/proc/self/maps") as file:
            lines = file.readlines()
    except OSError:
        return "unseen"
    for line in lines:
        bounds, rights, _, _, _, *name = line.split()
        if rights.startswith("rw") and (not name or name[0] in ("[heap]", "[stack]")):
            begin, end = (int(bound, 16) for bound in bounds.split("-"))
            if found := secret.search(ctypes.string_at(begin, min(end - begin, 64 << 20))):
                return f"bitten: {found[0].decode()}"
    return "nothing"
