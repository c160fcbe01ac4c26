"""Run a program that lies in no file system.

Seen: held
Held from: landlock
Bare: bites
"""

import os
import shutil


def attack(**others):
    memory = os.memfd_create("program", 0)
    with open("/bin/true", "rb") as program, open(memory, "wb", closefd=False) as copy:
        shutil.copyfileobj(program, copy)
    os.execve(memory, ["true"], {})
