"""Connect to a service by a socket in the file system, such as the one of Docker.

Seen: held
Held from: landlock
Bare: bites
"""

import socket


def attack(unix_socket, **others):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(unix_socket)
        return "bitten"
