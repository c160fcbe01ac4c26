"""Count what other programs do on the same core.

Seen: held
Held from: landlock
Bare: depends: on whether the machine lets this user
"""

import ctypes
import platform
import struct

PERF_EVENT_OPEN = {"x86_64": 298, "aarch64": 241}
SOFTWARE, CPU_CLOCK, SIZE = 1, 0, 112


def attack(**others):
    wanted = ctypes.create_string_buffer(struct.pack("2IQ", SOFTWARE, SIZE, CPU_CLOCK), SIZE)
    answer = ctypes.CDLL(None).syscall(PERF_EVENT_OPEN[platform.machine()], wanted, 0, -1, -1, 0)
    return "bitten" if answer >= 0 else "refused"
