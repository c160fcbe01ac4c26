"""Keep a thread of its own running.

Seen: held
Held from: weak
Bare: bites
"""

import threading
import time


def attack(**others):
    done = []
    thread = threading.Thread(target=lambda: (time.sleep(0.5), done.append(1)))
    thread.start()
    thread.join()
    return "bitten" if done else "failed"
