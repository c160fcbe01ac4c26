"""Ask the kernel for the machine's networks.

Seen: held
Held from: landlock
Bare: bites
"""

import socket

NETLINK_ROUTE = 0


def attack(**others):
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_ROUTE) as kernel:
        kernel.bind((0, 0))
        return "bitten"
