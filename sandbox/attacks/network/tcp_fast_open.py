"""Connect by sending, without a call that is named connect.

Seen: held
Held from: landlock
Bare: depends: on whether the machine has fast open
"""

import socket


def attack(tcp_port, **others):
    with socket.socket() as connection:
        sent = connection.sendto(b"x", socket.MSG_FASTOPEN, ("127.0.0.1", tcp_port))
        return "bitten" if sent else "failed"
