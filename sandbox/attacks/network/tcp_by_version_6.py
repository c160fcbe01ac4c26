"""Connect to the same service by the other version of the protocol.

Seen: held
Held from: landlock
Bare: depends: on whether the machine has version 6
"""

import socket


def attack(tcp_port, **others):
    with socket.socket(socket.AF_INET6) as connection:
        connection.connect(("::ffff:127.0.0.1", tcp_port))
        return "bitten"
