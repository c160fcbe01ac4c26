"""Learn the machine's addresses without any socket.

Seen: held
Held from: landlock
Bare: bites
"""


def attack(**others):
    with open("/proc/net/tcp") as file:
        lines = file.readlines()
    return f"bitten: {len(lines)} lines" if len(lines) > 1 else "nothing"
