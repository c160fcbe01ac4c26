"""Share a large amount of memory out among children.

Seen: held
Held from: weak
Bare: bites
Limits: tasks=4
"""

import os
import time


def attack(too_much_mb, **others):
    reading, writing = os.pipe()
    children = []
    for _ in range(3):
        if (child := os.fork()) == 0:
            kept = bytearray(too_much_mb // 3 << 20)
            os.write(writing, b"x")
            time.sleep(0.2)
            os._exit(len(kept) == 0)
        children.append(child)
    os.close(writing)
    ready = 0
    while os.read(reading, 1):
        ready += 1
    codes = [os.waitpid(child, 0)[1] for child in children]
    return "bitten" if ready == 3 and not any(codes) else f"refused: {codes}"
