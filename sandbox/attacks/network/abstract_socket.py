"""Connect to a service by a socket that lies in no file system.

Seen: held
Held from: landlock
Bare: bites
"""

import socket


def attack(abstract_socket, **others):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect("\0" + abstract_socket)
        return "bitten"
