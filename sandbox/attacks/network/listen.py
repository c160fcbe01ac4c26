"""Open a port on which it waits for orders.

Seen: held
Held from: landlock
Bare: bites
"""

import socket


def attack(**others):
    with socket.create_server(("127.0.0.1", 0)) as server:
        with socket.create_connection(server.getsockname()):
            return "bitten"
