"""Write packets of its own, with any sender.

Seen: held
Held from: landlock
Bare: bites as root
"""

import socket


def attack(**others):
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP):
        return "bitten"
