"""Send a packet to a service on this machine.

Seen: held
Held from: landlock
Bare: bites
"""

import socket


def attack(udp_port, **others):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        return "bitten" if sender.sendto(b"x", ("127.0.0.1", udp_port)) else "failed"
