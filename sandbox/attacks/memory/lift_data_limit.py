"""Raise the limit on its own data to the hard one, and to none at all, then grow.

Seen: over_limit, memory_mb
Held from: weak
Bare: bites
"""

import resource


def attack(too_much_mb, **others):
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    for bounds in ((hard, hard), (resource.RLIM_INFINITY, resource.RLIM_INFINITY)):
        try:
            resource.setrlimit(resource.RLIMIT_DATA, bounds)
        except (OSError, ValueError):
            pass
    kept = [bytearray(1 << 20) for _ in range(too_much_mb)]
    return f"bitten: {len(kept)} MB"
