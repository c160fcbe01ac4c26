"""Make the pipe for its result as small as can be, so that the reader is woken a thousand times.

Seen: held
Held from: weak
Bare: none: there is no report to shrink without a wall
"""

import fcntl


def attack(numbers, **others):
    try:
        fcntl.fcntl(3, fcntl.F_SETPIPE_SZ, 4096)
    except OSError:
        pass  # it is no pipe
    return numbers.repeat(10_000)
