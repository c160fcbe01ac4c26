"""Talk to the host of a virtual machine.

Seen: held
Held from: landlock
Bare: depends: on whether the kernel has such sockets
"""

import socket


def attack(**others):
    with socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM):
        return "bitten"
