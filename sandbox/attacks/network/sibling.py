"""Wait on an abstract socket for a candidate that runs at the same time.

Seen: held
Held from: landlock
Bare: bites
"""

import socket


def attack(mark, **others):
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as other:
        server.bind(f"\0{mark}-candidates")
        server.listen()
        other.connect(f"\0{mark}-candidates")
        return "bitten"
