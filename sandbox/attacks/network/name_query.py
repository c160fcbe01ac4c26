"""Carry data out in a question for a name, as name servers pass on everywhere.

Seen: held
Held from: landlock
Bare: bites
"""

import socket
import struct


def attack(udp_port, mark, **others):
    name = b"".join(bytes([len(part)]) + part.encode() for part in (mark, "example"))
    question = struct.pack(">6H", 1, 0x100, 1, 0, 0, 0) + name + b"\0" + struct.pack(">2H", 1, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.connect(("127.0.0.1", udp_port))
        return "bitten" if sender.sendmsg([question]) else "failed"
