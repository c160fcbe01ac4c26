"""Connect by a protocol that is TCP under another number.

Seen: held
Held from: landlock
Bare: depends: on whether the kernel has it
"""

import socket

IPPROTO_MPTCP = 262


def attack(tcp_port, **others):
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, IPPROTO_MPTCP) as connection:
        connection.connect(("127.0.0.1", tcp_port))
        return "bitten"
