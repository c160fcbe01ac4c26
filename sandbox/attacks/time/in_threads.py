"""Loop in several threads at once.

Seen: held
Held from: weak
Bare: bites
"""

import threading
import time


def attack(too_long_s, **others):
    def loop():
        while time.process_time() < too_long_s:
            pass

    threads = [threading.Thread(target=loop, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return "bitten"
