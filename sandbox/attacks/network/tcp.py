"""Connect to a service on this machine.

Seen: held
Held from: landlock
Bare: bites
Quick: yes
"""

import socket


def attack(tcp_port, **others):
    with socket.create_connection(("127.0.0.1", tcp_port), timeout=1):
        return "bitten"
