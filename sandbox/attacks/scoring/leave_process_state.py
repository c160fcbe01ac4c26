"""Leave the process in another state: its mask, its signals, its limits.

Seen: ok
Held from: weak
Bare: bites
"""

import os
import resource
import signal


def attack(**others):
    os.umask(0o777)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
    return "returned"
