"""The levels of the wall, weakest first, and which of them this machine can enforce.

weak: a process of its own, rlimits, a watch on time, memory and tasks. Files of the same user can
    be read and written, the network is open, and other processes of the user can be signalled.
container: docker, podman or apptainer without network, read-only.
landlock: no files but the preloaded libraries, no network, no new processes; needs no root.
strict: landlock, in namespaces of its own.

Only `weak` is built; the others are known by name so that asking for one fails clearly.
"""

from __future__ import annotations

import os
import sys
from typing import Literal, NamedTuple, get_args

from sandbox.job import SandboxError

Level = Literal["weak", "container", "landlock", "strict"]
LEVELS: tuple[Level, ...] = get_args(Level)


class Availability(NamedTuple):
    """Whether a level can be enforced here; `reason` says why not, and is empty when it can."""

    available: bool
    reason: str


def choose(level: str, min_level: str) -> Level:
    """Give the level to use. `level`: a name, or "auto" for the strongest available one.

    Raises: SandboxError when it is unknown, below `min_level`, or not available here.
    """
    lowest = _named("min_level", min_level)
    found = survey()
    if level != "auto":
        wanted = _named("level", level)
        if LEVELS.index(wanted) < LEVELS.index(lowest):
            raise SandboxError(
                f"level {wanted} is below min_level {lowest}: name a stronger level, "
                f"or lower min_level to {wanted} if you trust the programs"
            )
        if not found[wanted].available:
            raise SandboxError(f"level {wanted}: {found[wanted].reason}")
        return wanted
    fit = [name for name in LEVELS[LEVELS.index(lowest) :] if found[name].available]
    if not fit:
        reasons = "; ".join(
            f"{name}: {found[name].reason}" for name in LEVELS if found[name].reason
        )
        raise SandboxError(
            f"no level of at least {lowest} is available on this machine ({reasons})"
        )
    return fit[-1]


def survey() -> dict[Level, Availability]:
    """Give what this machine can enforce, for every level."""
    not_built = Availability(False, "not built yet")
    return {
        "weak": _weak(),
        "container": not_built,
        "landlock": not_built,
        "strict": not_built,
    }


def _named(option: str, name: str) -> Level:
    for level in LEVELS:
        if level == name:
            return level
    raise SandboxError(f"{option} {name!r} is unknown: choose one of {', '.join(LEVELS)}")


def _weak() -> Availability:
    if not sys.platform.startswith("linux"):
        return Availability(False, f"needs Linux (this is {sys.platform})")
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError as error:
        return Availability(False, f"needs pidfd_open, Linux 5.3 or later ({error.strerror})")
    return Availability(True, "")
