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
from sandbox.linux import process
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
        print(error)
        return
    if pid == 0:
        _try(built, limits)
    _, status = os.waitpid(pid, 0)
    if os.waitstatus_to_exitcode(status) != 0:
        print(f"the candidate ended with status {os.waitstatus_to_exitcode(status)}")


def _try(built: Wall, limits: Limits) -> NoReturn:
    """Be the candidate: do what it may, and try what it may not."""
    try:
        built.enclose_candidate(limits, process.data_bytes(), 0.0)
        import statistics  # what candidates may read

        assert statistics.median([1, 2, 3]) == 2
        print(_first_hole() or HOLDS, flush=True)
    except Exception as error:  # noqa: BLE001 - whatever stands in the way
        print(f"{type(error).__name__}: {error}", flush=True)
    finally:
        os._exit(0)


def _first_hole() -> str | None:
    attempts: dict[str, Callable[[], object]] = {
        f"{_OUTSIDE} can be read": lambda: os.open(_OUTSIDE, os.O_RDONLY),
        "sockets can be made": lambda: socket.socket(socket.AF_INET),
        "processes can be started": os.fork,
        "others can be signalled": lambda: os.kill(os.getppid() or -1, 0),
    }
    for hole, attempt in attempts.items():
        try:
            attempt()
        except OSError:
            continue
        return hole
    return None


if __name__ == "__main__":
    main(cast(Level, sys.argv[1]))
