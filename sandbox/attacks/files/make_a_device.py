"""Make a device file, and read the machine's memory or disk through it.

Seen: held
Held from: landlock
Bare: bites as root
"""

import os
import stat


def attack(**others):
    os.mknod("device", stat.S_IFCHR | 0o600, os.makedev(1, 5))  # /dev/zero, for a proof
    with open("device", "rb") as device:
        return "bitten" if device.read(4) == bytes(4) else "failed"
