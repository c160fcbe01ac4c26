"""Open the devices of the machine.

Seen: held
Held from: landlock
Bare: bites
"""

import os

DEVICES = ("/dev/tty", "/dev/ptmx", "/dev/kmsg", "/dev/fuse", "/dev/kvm", "/dev/mem", "/dev/full")


def attack(**others):
    opened = []
    for device in DEVICES:
        try:
            os.close(os.open(device, os.O_RDWR | os.O_NOCTTY))
            opened.append(device)
        except OSError:
            continue
    return f"bitten: {opened}" if opened else "refused"
