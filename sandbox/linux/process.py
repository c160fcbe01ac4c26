"""The few calls and files about processes that Python does not wrap.

/proc is read by process id of children that are not reaped yet, so that no id can be another's.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import threading
import time
from typing import NamedTuple

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_CPU_CLOCK_OF_PROCESS = 2  # CPUCLOCK_SCHED; a clock id is the inverted process id and this kind

_libc = ctypes.CDLL(None, use_errno=True)


class Usage(NamedTuple):
    """What a process uses now. memory: bytes, anonymous and shared, files not counted."""

    memory: int
    threads: int


def end_with_parent(parent: int, number: signal.Signals) -> None:
    """Have this process receive a signal when the thread that started it ends.

    parent: its process id; when it is gone already, this process ends at once.
    """
    _prctl(_PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:
        os._exit(1)


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends, daemons included."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def children(pid: int) -> list[int]:
    """Give the process ids of the children of a process; none when it is gone."""
    if not os.path.exists(f"/proc/self/task/{threading.get_native_id()}/children"):  # noqa: PTH110
        return _children_by_scan(pid)
    found: list[int] = []
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for task in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208 - read every 10 ms
            found += map(int, _read(f"/proc/{pid}/task/{task}/children").split())
    return found


def descendants(pid: int) -> list[int]:
    """Give the process ids of everything below a process."""
    found = children(pid)
    for child in found:  # grows while it is walked
        found += children(child)
    return found


def usage(pid: int) -> Usage:
    """Give what a process uses now; nothing when it is gone."""
    figures = {"RssAnon:": 0, "RssShmem:": 0, "Threads:": 0}
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for line in _read(f"/proc/{pid}/status").splitlines():
            name, _, rest = line.partition("\t")
            if name in figures:
                figures[name] = int(rest.split()[0])
    kilobytes = figures["RssAnon:"] + figures["RssShmem:"]
    return Usage(kilobytes * 1024, figures["Threads:"])


def data_bytes() -> int:
    """Give how much of RLIMIT_DATA this process takes."""
    for line in _read("/proc/self/status").splitlines():
        if line.startswith("VmData:"):
            return int(line.split()[1]) * 1024
    return 0


def cpu_seconds(pid: int) -> float:
    """Give the CPU time of all threads of a process; 0 when it is gone."""
    try:
        return time.clock_gettime((~pid << 3) | _CPU_CLOCK_OF_PROCESS)
    except OSError:
        return 0.0


def num_threads() -> int:
    """Count the threads of this process, those that Python does not know included."""
    return len(os.listdir("/proc/self/task"))  # noqa: PTH208


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl({option}): {os.strerror(number)}")


def _children_by_scan(pid: int) -> list[int]:
    """Do as `children` where the kernel has no such file: look at the parent of every process."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):  # noqa: PTH208
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            after_name = _read(f"/proc/{name}/stat").rpartition(")")[2].split()
            if int(after_name[1]) == pid:
                found.append(int(name))
    return found


def _read(path: str) -> str:
    fd = os.open(path, os.O_RDONLY)
    try:
        return os.read(fd, 1 << 16).decode(errors="replace")
    finally:
        os.close(fd)
