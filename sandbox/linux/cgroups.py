"""Control groups, version 2: bounds and counts that hold a candidate with all it starts.

What the watch cannot see, the kernel counts here: pages of the warm process that a candidate writes
over, and children that live for less than a look. Only a folder that was delegated to us is used,
and no process that we did not start is moved. A candidate is born into its folder by `clone3`:
moving it there costs milliseconds, since the kernel waits for all its cores.

Source: Documentation/admin-guide/cgroup-v2.rst of the kernel; CGROUP_DELEGATION.md of systemd.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import functools
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from sandbox.job import MB, Limits
from sandbox.linux import libc
from sandbox.linux.syscalls import number

CONTROLLERS = ("memory", "pids")
_PREFIX, _WARM, _LEAF = "evolve-", "warm", "leaf"
_DELEGATED = "user.delegate"  # with it systemd marks folders that are another's to divide
_MEMORY_TO_SPARE = 16 * MB  # page tables, pipes, and what a candidate out of memory needs to say so
_ANYONE = 0o666
_REMOVAL_S, _REMOVALS = 0.001, 1000  # between two attempts while the killed leave, and how many


class Place(NamedTuple):
    """A delegated folder. controllers: those of CONTROLLERS that folders in it can have."""

    folder: Path
    controllers: tuple[str, ...]


@functools.cache
def find() -> tuple[Place | None, str]:
    """Give where control groups can be made; else None, and why nowhere. Asked once per process."""
    if not sys.platform.startswith("linux"):
        return None, "needs Linux"
    if refusal := _clone3_refused():
        return None, f"the kernel, or what confines us, refuses clone3 ({refusal})"
    seen = own_folder(_read(Path("/proc/self/cgroup")), _read(Path("/proc/self/mountinfo")))
    if seen is None:
        return None, "no hierarchy of version 2 is mounted here"
    places = list(_places(*seen))
    if not places:
        return None, "no folder is delegated to us: docs/security.md says how to get one"
    return max(places, key=lambda place: len(place.controllers)), ""  # of equals the nearest


def _clone3_refused() -> str:
    """Say why `clone3` cannot be called; empty when it can."""
    try:
        libc.syscall(number("clone3"), None, 0)
    except OSError as error:
        # it has looked at its arguments, so it is there
        return "" if error.errno == errno.EINVAL else str(error.strerror)
    raise AssertionError("unreachable")


def own_folder(groups: str, mounts: str) -> tuple[Path, Path] | None:
    """Give this process' folder and the topmost that can be seen; None where there is none.

    groups, mounts: /proc/self/cgroup and /proc/self/mountinfo.
    """
    own = [line[3:] for line in groups.splitlines() if line.startswith("0::")]
    for line in mounts.splitlines() if own else ():
        about, _, kind = line.partition(" - ")
        root, top = about.split()[3:5]
        path = PurePosixPath(own[0])
        # with .. in it, it lies outside of our namespace
        if kind.startswith("cgroup2 ") and path.is_relative_to(root) and ".." not in path.parts:
            return Path(top) / path.relative_to(root), Path(top)
    return None


def _places(own: Path, top: Path) -> Iterator[Place]:
    """Give the folders that may be used, from our own upward."""
    for folder in (own, *own.parents):
        if not folder.is_relative_to(top):
            return
        writable = os.access(folder, os.W_OK) and os.access(folder / "cgroup.procs", os.W_OK)
        if writable and _is_delegated(folder, own, top):
            yield Place(folder, _offered(folder))


def _is_delegated(folder: Path, own: Path, top: Path) -> bool:
    """Tell whether a folder is ours to divide, and no service manager's."""
    if folder == top:
        # a container's, or one where nobody manages; the machine's own root alone has no type
        return folder == own or (folder / "cgroup.type").exists()
    with contextlib.suppress(OSError):
        return os.getxattr(folder, _DELEGATED) == b"1"
    return False


def _offered(folder: Path) -> tuple[str, ...]:
    """Give the controllers that folders in this one have, or can be given.

    The kernel lets no process sit beside folders with bounds, and we move nobody.
    """
    offered = _read(folder / "cgroup.subtree_control").split()
    if not _read(folder / "cgroup.procs") and os.access(folder / "cgroup.subtree_control", os.W_OK):
        offered += _read(folder / "cgroup.controllers").split()
    return tuple(name for name in CONTROLLERS if name in offered)


class Group:
    """The folder of one warm process, with one in it for itself, and one for its candidates.

    Made and removed by the process that asks. A lock on it says that its maker lives.
    """

    def __init__(self, place: Place, limits: Limits) -> None:
        """Raises: OSError."""
        _remove_leftovers(place.folder)
        self.folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=place.folder))
        self._lock = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for folder in (place.folder, self.folder):
                _enable(folder, place.controllers)
            for name in (_WARM, _LEAF):
                (self.folder / name).mkdir()
            _bound(self.folder / _LEAF, place.controllers, limits)
            # At level strict the warm process becomes another user. Who comes from outside of this
            # folder needs a right to the one above it as well.
            for folder in (self.folder, self.folder / _LEAF):
                (folder / "cgroup.procs").chmod(_ANYONE)
        except BaseException:
            self.remove()
            raise

    def remove(self) -> None:
        """End everything in it, and remove it."""
        with contextlib.suppress(OSError):
            _write(self.folder / "cgroup.kill", "1")
        for _ in range(_REMOVALS):
            if _remove(self.folder):
                break
            time.sleep(_REMOVAL_S)
        os.close(self._lock)


def make(limits: Limits) -> Group | None:
    """Make a folder for a warm process; None where there can be none, or where it gains nothing.

    A candidate alone, whose memory is not counted, is counted as well by the watch.
    """
    place, _ = find()
    if place is None or ("memory" not in place.controllers and limits.tasks == 1):
        return None
    try:
        return Group(place, limits)
    except OSError:  # someone changed it under our hands: we do without, as where there is none
        return None


def _remove_leftovers(place: Path) -> None:
    """Remove what makers left that were killed; the kernel keeps a folder with someone in it."""
    for folder in place.glob(f"{_PREFIX}*/{_LEAF}"):  # without one it is still being made
        with contextlib.suppress(OSError):
            lock = os.open(folder.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _remove(folder.parent)
            finally:
                os.close(lock)


def _remove(folder: Path) -> bool:
    """Remove a group; False while someone is in it."""
    try:
        for each in (folder / _WARM, folder / _LEAF, folder):
            with contextlib.suppress(FileNotFoundError):
                each.rmdir()
    except OSError:
        return False
    return True


def _enable(folder: Path, controllers: tuple[str, ...]) -> None:
    """Let folders in this one have controllers."""
    there = _read(folder / "cgroup.subtree_control").split()
    if lacking := [f"+{name}" for name in controllers if name not in there]:
        _write(folder / "cgroup.subtree_control", " ".join(lacking))


def _bound(leaf: Path, controllers: tuple[str, ...], limits: Limits) -> None:
    """Bound all that a candidate takes together: its results and its files are in memory too."""
    if "memory" in controllers:
        megabytes = limits.memory_mb + limits.result_mb + limits.file_mb
        _write(leaf / "memory.max", str(megabytes * MB + _MEMORY_TO_SPARE))
        _write(leaf / "memory.oom.group", "1")
        with contextlib.suppress(FileNotFoundError):  # a kernel that counts no swap
            _write(leaf / "memory.swap.max", "0")
    if "pids" in controllers:
        _write(leaf / "pids.max", str(limits.tasks))


class Nowhere:
    """Where candidates are born without a control group: nothing is counted, nobody is held."""

    folder: int | None = None  # descriptor of the folder
    memory_bytes = 0  # all that a candidate may take

    def begin(self) -> None:
        """Let the next candidate run, and count from now on."""

    def cpu_s(self) -> float:
        """Give CPU seconds of all that was in it since `begin`, waited for or not."""
        return 0.0

    def ran_out(self) -> bool:
        """Tell whether memory reached its bound since `begin`, so that someone was killed."""
        return False

    def freeze(self) -> None:
        """Let nothing in it go on but to its death, so that none is forked while others are killed.

        Not `cgroup.kill`: after it, kernels (6.18 for one) kill all who are born into the folder
        from another one, for ever.
        """


class Leaf(Nowhere):
    """Where the candidates of a warm process are born, one at a time; as the warm process sees it.

    All is opened beforehand, since soon no such file can be found, or none opened for writing.
    """

    def __init__(self, folder: Path) -> None:
        """Raises: OSError."""
        self.folder = os.open(folder, os.O_PATH | os.O_DIRECTORY)
        self._cpu = os.open(folder / "cpu.stat", os.O_RDONLY)
        self._freeze = os.open(folder / "cgroup.freeze", os.O_WRONLY)
        self._frozen = False
        self._events = None
        with contextlib.suppress(FileNotFoundError):  # no controller of memory
            self._events = os.open(folder / "memory.events", os.O_RDONLY)
            self.memory_bytes = int(_read(folder / "memory.max"))
        self.begin()

    def begin(self) -> None:
        if self._frozen:
            os.write(self._freeze, b"0")
            self._frozen = False
        self._before = self._usage_s()
        self._out_before = self._times_out()

    def cpu_s(self) -> float:
        return self._usage_s() - self._before

    def ran_out(self) -> bool:
        pairs = zip(self._times_out(), self._out_before, strict=True)
        return all(now > then for now, then in pairs)

    def freeze(self) -> None:
        if not self._frozen:
            os.write(self._freeze, b"1")
            self._frozen = True

    def _usage_s(self) -> float:
        return _figures(self._cpu)["usage_usec"] / 1e6

    def _times_out(self) -> tuple[int, int]:
        """Count how often its own bound was reached, and how often someone in it was killed."""
        if self._events is None:
            return 0, 0
        events = _figures(self._events)
        return events["oom"], events["oom_kill"]  # who has no `oom` was killed for another's sake


def enter(group: str | None) -> Nowhere:
    """Move this process, the warm one, into its folder; give where its candidates are born.

    group: the folder of a Group; None where there is none.
    """
    if group is None:
        return Nowhere()
    try:
        _write(Path(group, _WARM, "cgroup.procs"), "0")
        return Leaf(Path(group, _LEAF))
    except OSError:  # delegated, and yet not for us
        return Nowhere()


def _figures(fd: int) -> dict[str, int]:
    """Read a file of names, each with a figure."""
    words = os.pread(fd, 1 << 12, 0).decode().split()
    return dict(zip(words[::2], map(int, words[1::2]), strict=True))


def _read(file: Path) -> str:
    """Give what a file says; nothing when it cannot be read."""
    with contextlib.suppress(OSError):
        return file.read_text()
    return ""


def _write(file: Path, text: str) -> None:
    """Write into a file that is there. Raises: OSError."""
    fd = os.open(file, os.O_WRONLY)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)
