"""The levels of the wall, weakest first, and which of them this machine can enforce.

weak: a process of its own, rlimits, a watch on time, memory and tasks. Files of the same user can
    be read and written, the network is open, and other processes of the user can be signalled.
container: docker, podman or apptainer without network, read-only; experimental.
landlock: no files but the preloaded libraries, no network, no new processes; needs no root. Names
    and sizes of files elsewhere can be seen, not their contents.
strict: landlock, in namespaces of its own: nothing else of the machine can even be named.

A level counts as available when a throw-away process has enclosed itself and found no hole.
"""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import tempfile
from typing import Literal, NamedTuple, get_args

from sandbox import start
from sandbox.job import Limits, SandboxError

Level = Literal["weak", "container", "landlock", "strict"]
LEVELS: tuple[Level, ...] = get_args(Level)
MIN_LEVEL: Level = "landlock"  # unless a user says otherwise
HOLDS = "holds"  # what a probe prints when it found no hole

_PROBE_S = 20.0  # for a slow disk; a probe takes a tenth of a second


class Availability(NamedTuple):
    """Whether a level can be enforced here; `reason` says why not, and is empty when it can."""

    available: bool
    reason: str


def choose(level: str, min_level: str | None = None, tried: bool = False) -> Level:
    """Give the level to use. `level`: a name, or "auto" for the strongest available one.

    min_level: refuse to go below; None for MIN_LEVEL with "auto", and for no bound with a name.
    tried: whether a named level is known to be available here, so that nothing is started.
    Raises: SandboxError when it is unknown, below `min_level`, or not available here.
    """
    lowest = _named("min_level", min_level or (MIN_LEVEL if level == "auto" else "weak"))
    if level != "auto":
        wanted = _named("level", level)
        if LEVELS.index(wanted) < LEVELS.index(lowest):
            raise SandboxError(
                f"level {wanted} is below min_level {lowest}: name a stronger level, "
                f"or lower min_level to {wanted} if you trust the programs"
            )
        if not tried and not available(wanted).available:
            raise SandboxError(f"level {wanted}: {available(wanted).reason}")
        return wanted
    fit = at_least(lowest)
    for name in reversed(fit):
        if available(name).available:
            return name
    reasons = "; ".join(f"{name}: {available(name).reason}" for name in fit)
    weaker = [name for name in LEVELS if name not in fit and available(name).available]
    hint = f"; --min-level {weaker[-1]} if you trust the programs" if weaker else ""
    raise SandboxError(
        f"no level of at least {lowest} is available on this machine ({reasons}){hint}"
    )


def at_least(level: str) -> tuple[Level, ...]:
    """Give a level and all stronger ones. Raises: SandboxError when it is unknown."""
    return LEVELS[LEVELS.index(_named("min_level", level)) :]


def survey() -> dict[Level, Availability]:
    """Give what this machine can enforce, for every level."""
    return {level: available(level) for level in LEVELS}


@functools.cache
def available(level: Level) -> Availability:
    """Tell whether a level can be enforced here; asked once per process and level."""
    if level == "container":
        from sandbox.walls import container

        engine, reason = container.find()
        return Availability(False, reason) if engine is None else _probe(level)
    if not sys.platform.startswith("linux"):
        return Availability(False, f"needs Linux (this is {sys.platform})")
    return _weak() if level == "weak" else _probe(level)


def _weak() -> Availability:
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError as error:
        return Availability(False, f"needs pidfd_open, Linux 5.3 or later ({error.strerror})")
    return Availability(True, "")


def _probe(level: Level) -> Availability:
    try:
        with tempfile.TemporaryDirectory(prefix="sandbox-", ignore_cleanup_errors=True) as folder:
            done = _probed(level, folder)
    except subprocess.TimeoutExpired:
        return Availability(False, f"the probe did not end within {_PROBE_S:g} s")
    except OSError as error:
        return Availability(False, f"the probe does not start: {error}")
    said = done.stdout.splitlines()
    if said == [HOLDS] and done.returncode == 0:
        return Availability(True, "")  # an engine may warn of something all the same
    said += done.stderr.splitlines()[-1:]
    return Availability(False, "; ".join(said) or f"the probe ended with {done.returncode}")


def _probed(level: Level, folder: str) -> subprocess.CompletedProcess[str]:
    from sandbox.walls import wall

    built = wall(level)
    scratch = os.path.join(folder, "scratch")  # noqa: PTH118 - the wall takes it away
    os.mkdir(scratch, 0o700)  # noqa: PTH102
    return subprocess.run(
        built.command(start.command("sandbox.probe", level), scratch, Limits()),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        cwd=scratch,
        env=built.environment(scratch),
        timeout=_PROBE_S,
        text=True,
        errors="replace",
        check=False,
        start_new_session=True,
    )


def _named(option: str, name: str) -> Level:
    for level in LEVELS:
        if level == name:
            return level
    raise SandboxError(f"{option} {name!r} is unknown: choose one of {', '.join(LEVELS)}")
