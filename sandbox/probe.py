"""Tries a level out: a throw-away process that encloses itself and sees whether the wall holds.

Started as `python -P -s -m sandbox.probe LEVEL` in an empty folder; prints `holds`, or why not.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Callable
from typing import NoReturn, cast

from sandbox.job import Limits
from sandbox.levels import HOLDS, Level
from sandbox.linux import landlock, namespaces, process
from sandbox.walls import Wall, wall

_OUTSIDE = "/etc/passwd"  # readable by everyone, needed by no candidate


def main(level: Level) -> None:
    """Enclose a fork of this process as a candidate is, and tell what it could do."""
    process.end_with_parent(os.getppid(), signal.SIGKILL)
    limits = Limits()
    built = wall(level)
    try:
        built.enclose_warm(os.getcwd(), limits)  # noqa: PTH109 - the folder we were started in
        pid = built.fork()
    except OSError as error:
        print(_why_not(level, error))
        return
    if pid == 0:
        _try(built, limits, _attempts(level))
    _, status = os.waitpid(pid, 0)
    if os.waitstatus_to_exitcode(status) != 0:
        print(f"the candidate ended with status {os.waitstatus_to_exitcode(status)}")


def _why_not(level: Level, error: OSError) -> str:
    """Say what the machine lacks, for a person who could change it."""
    if level != "container" and landlock.abi() == 0:
        return "needs Landlock: Linux 5.13 or later, with `landlock` in the boot option `lsm=`"
    return f"{error}: {namespaces.obstacle(error)}" if level == "strict" else str(error)


def _attempts(level: Level) -> dict[str, Callable[[], object]]:
    """Give what must fail, by what to say when it does not."""
    attempts: dict[str, Callable[[], object]] = {
        "sockets can be made": lambda: socket.socket(socket.AF_INET),
        "processes can be started": os.fork,
        "others can be signalled": lambda: os.kill(os.getppid() or -1, 0),
    }
    if level != "container":  # whose files are an image's, and nobody's secret
        attempts[f"{_OUTSIDE} can be read"] = lambda: os.open(_OUTSIDE, os.O_RDONLY)
    return attempts


def _try(built: Wall, limits: Limits, attempts: dict[str, Callable[[], object]]) -> NoReturn:
    """Be the candidate: do what it may, and try what it may not."""
    try:
        process.end_with_parent(os.getppid(), signal.SIGKILL)
        built.enclose_candidate(limits, process.data_bytes(), 0.0)
        import statistics  # what candidates may read

        assert statistics.median([1, 2, 3]) == 2
        print(_first_hole(attempts) or HOLDS, flush=True)
    except Exception as error:  # noqa: BLE001 - whatever stands in the way
        print(f"{type(error).__name__}: {error}", flush=True)
    finally:
        os._exit(0)


def _first_hole(attempts: dict[str, Callable[[], object]]) -> str | None:
    for hole, attempt in attempts.items():
        try:
            attempt()
        except OSError:
            continue
        return hole
    return None


if __name__ == "__main__":
    main(cast(Level, sys.argv[1]))
