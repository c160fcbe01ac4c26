"""Leave folders that cannot be entered, and names that are no text, to whoever cleans up.

Seen: held
Held from: weak
Limits: file_mb=1
Bare: bites
"""

import os


def attack(**others):
    os.makedirs("outer/inner")
    os.mkdir(b"\xff\n")
    os.chmod("outer/inner", 0)
    os.chmod("outer", 0)
    os.chmod(".", 0o500)
    return "returned"
