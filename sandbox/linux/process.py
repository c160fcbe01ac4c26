"""The few calls and files about processes that Python does not wrap.

/proc is read by process id of children that are not reaped yet, so that no id can be another's; and
by a descriptor that is opened once, since a process may leave the root in which /proc is.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import signal
import struct
import threading
import time
from collections.abc import Sequence
from typing import NamedTuple

from sandbox.linux import libc
from sandbox.linux.syscalls import number

_ENDING_S, _ENDINGS = 0.001, 1000  # between two looks at what was killed, and how many of them
_LARGE_PAGE = 2 << 20
_MADV_COLLAPSE = 25
_CLONE_INTO_CGROUP = 0x2_0000_0000
_CLONE_ARGUMENTS = struct.Struct("=11Q")  # struct clone_args
_CPU_CLOCK_OF_PROCESS = 2  # CPUCLOCK_SCHED; a clock id is the inverted process id and this kind


class Usage(NamedTuple):
    """What a process uses now.

    memory: bytes, anonymous and shared, page tables included, files not.
    """

    memory: int
    threads: int


def end_with_parent(parent: int, number: signal.Signals) -> None:
    """Have this process receive a signal when the thread that started it ends.

    parent: its process id. The first process of a container sees no parent (0): there the end of
    its pipes must do. Raises: SystemExit when the parent is gone already.
    """
    libc.prctl(libc.PR_SET_PDEATHSIG, number)
    if os.getppid() not in (parent, 0):
        raise SystemExit(1)


def fork(flags: int, group: int | None) -> int:
    """Fork a child as `os.fork` does, with Python's own care for the two sides of a fork.

    flags: of `clone`, for namespaces of its own. group: descriptor of the folder of the control
    group that it is born into; None for that of its parent. Raises: OSError.
    """
    python = ctypes.pythonapi
    python.PyOS_BeforeFork()
    try:
        pid = _clone(flags, group)
    except OSError:
        python.PyOS_AfterFork_Parent()
        raise
    if pid == 0:
        python.PyOS_AfterFork_Child()
    else:
        python.PyOS_AfterFork_Parent()
    return pid


def keep_proc() -> None:
    """Hold /proc open, for a process that is about to leave the root that it lies in."""
    _proc()


def let_go_of_proc() -> None:
    """Close /proc, which is held from its first use on; for a process about to be a candidate."""
    os.close(_proc())
    _proc.cache_clear()


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends, daemons included."""
    libc.prctl(libc.PR_SET_CHILD_SUBREAPER, 1)


def give_back_memory() -> None:
    """Give memory that was freed in small pieces back to the system, where the C library can."""
    libc.malloc_trim()


def let_read(allowed: bool) -> None:
    """Let other processes of the same user read this one's memory and environment, or not."""
    libc.prctl(libc.PR_SET_DUMPABLE, int(allowed))


def children(pid: int) -> list[int]:
    """Give the process ids of the children of a process; none when it is gone."""
    if not _has_children_file():
        return _children_by_scan(pid)
    found: list[int] = []
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for task in _names(f"{pid}/task"):
            found += map(int, _read(f"{pid}/task/{task}/children").split())
    return found


def descendants(pid: int) -> list[int]:
    """Give the process ids of everything below a process."""
    found = children(pid)
    for child in found:  # grows while it is walked
        found += children(child)
    return found


def usage(pid: int) -> Usage:
    """Give what a process uses now; nothing when it is gone."""
    figures = {"RssAnon:": 0, "RssShmem:": 0, "VmPTE:": 0, "Threads:": 0}
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for line in _read(f"{pid}/status").splitlines():
            name, _, rest = line.partition("\t")
            if name in figures:
                figures[name] = int(rest.split()[0])
    kilobytes = figures["RssAnon:"] + figures["RssShmem:"] + figures["VmPTE:"]
    return Usage(kilobytes * 1024, figures["Threads:"])


def data_bytes() -> int:
    """Give how much of RLIMIT_DATA this process takes."""
    for line in _read("self/status").splitlines():
        if line.startswith("VmData:"):
            return int(line.split()[1]) * 1024
    return 0


def cpu_seconds(pid: int) -> float:
    """Give the CPU time of all threads of a process; 0 when it is gone."""
    try:
        return time.clock_gettime((~pid << 3) | _CPU_CLOCK_OF_PROCESS)
    except OSError:
        return 0.0


def reaped_cpu_seconds(pid: int) -> float:
    """Give the CPU time of the children that a process has waited for; 0 when it is gone."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        after_name = _read(f"{pid}/stat").rpartition(")")[2].split()
        return sum(map(int, after_name[13:15])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def end_all_of(arguments: Sequence[str]) -> None:
    """Kill all processes of this user whose command line ends with these arguments."""
    ending = "\0".join(["", *arguments, ""])
    for _ in range(_ENDINGS):  # one may have forked while it was looked for
        found = [pid for pid in _all() if _command_line(pid).endswith(ending)]
        if not found:
            return
        for pid in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(_ENDING_S)


def is_user(uid: int) -> bool:
    """Tell whether this user id exists here: in a container only some do."""
    extents = [tuple(map(int, line.split())) for line in _read("self/uid_map").splitlines()]
    return any(inside <= uid < inside + count for inside, _, count in extents)


def setting(name: str) -> str | None:
    """Give what a file below /proc/sys says; None where the kernel has no such setting."""
    try:
        return _read(f"sys/{name}").strip()
    except OSError:
        return None


def write_own(name: str, text: str) -> None:
    """Write one of the files by which a process describes itself. Raises: OSError."""
    fd = os.open(f"self/{name}", os.O_WRONLY, dir_fd=_proc())
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def gather_pages() -> None:
    """Put this process' own memory on large pages, where the kernel can (Linux 6.1).

    A fork copies an entry per page: with torch loaded, a third of the time of one is left.
    """
    for line in _read_whole("self/maps").splitlines():
        place, rights, _, _, _, *name = line.split(maxsplit=5)
        if rights != "rw-p" or name not in ([], ["[heap]"]):
            continue
        begin, end = (int(address, 16) for address in place.split("-"))
        for address in range(
            -(-begin // _LARGE_PAGE) * _LARGE_PAGE, end + 1 - _LARGE_PAGE, _LARGE_PAGE
        ):
            with contextlib.suppress(OSError):  # nothing is there, or nothing to be had
                libc.call("madvise", address, _LARGE_PAGE, _MADV_COLLAPSE)


def num_threads() -> int:
    """Count the threads of this process, those that Python does not know included."""
    return len(_names("self/task"))


def _clone(flags: int, group: int | None) -> int:
    if group is None:
        return libc.syscall(number("clone"), flags | signal.SIGCHLD, 0, 0, 0, 0)
    flags |= _CLONE_INTO_CGROUP
    arguments = _CLONE_ARGUMENTS.pack(flags, 0, 0, 0, signal.SIGCHLD, 0, 0, 0, 0, 0, group)
    return libc.syscall(number("clone3"), arguments, len(arguments))


def _children_by_scan(pid: int) -> list[int]:
    """Do as `children` where the kernel has no such file: look at the parent of every process."""
    found = []
    for name in filter(str.isdigit, _names(".")):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            after_name = _read(f"{name}/stat").rpartition(")")[2].split()
            if int(after_name[1]) == pid:
                found.append(int(name))
    return found


def _all() -> list[int]:
    return [int(name) for name in _names(".") if name.isdigit()]


def _command_line(pid: int) -> str:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError, PermissionError):
        return _read(f"{pid}/cmdline")
    return ""


@functools.cache
def _has_children_file() -> bool:
    """Tell whether this kernel lists a task's children (CONFIG_PROC_CHILDREN)."""
    try:
        _read(f"self/task/{threading.get_native_id()}/children")
    except FileNotFoundError:
        return False
    return True


@functools.cache
def _proc() -> int:
    return os.open("/proc", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def _names(folder: str) -> list[str]:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY, dir_fd=_proc())
    try:
        return os.listdir(fd)  # noqa: PTH208 - by its descriptor
    finally:
        os.close(fd)


def _read(path: str) -> str:
    fd = os.open(path, os.O_RDONLY, dir_fd=_proc())
    try:
        return os.read(fd, 1 << 16).decode(errors="replace")
    finally:
        os.close(fd)


def _read_whole(path: str) -> str:
    """Read a file that the kernel gives in pieces."""
    fd = os.open(path, os.O_RDONLY, dir_fd=_proc())
    with os.fdopen(fd, encoding="utf-8", errors="replace") as file:
        return file.read()
