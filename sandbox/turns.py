"""Turns at a device: one candidate at a time, across all processes of a user on this machine.

Whoever has the turn holds a lock of the kernel on a file, which goes with its holders: the process
that asked, and the warm process that must first end what it runs.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from sandbox.job import SandboxError
from sandbox.levels import LEVELS, MIN_LEVEL, Level, at_least, choose

# Named by no variable of the environment, so that all processes of a user find the same one.
_RUNTIME = "/run/user/{user}"
_ELSEWHERE = "sandbox-turns-{user}"  # in the folder for temporary files, where there is no other

_NAME = re.compile(r"cpu|cuda(:\d+)?")
_VISIBLE = "CUDA_VISIBLE_DEVICES"


class Turns:
    """The turns at one device, as one sandbox takes them.

    fd: what the lock belongs to, and whoever inherits it. Raises: SandboxError.
    """

    def __init__(self, device: str) -> None:
        path = _folder() / f"sandbox-{physical(device)}.lock"
        try:
            self.fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise SandboxError(f"no turn at {device} can be taken: {error}") from error

    @contextlib.contextmanager
    def take(self) -> Iterator[None]:
        """Wait for the turn, for as long as it takes, and hold it meanwhile."""
        fcntl.flock(self.fd, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self.fd, fcntl.LOCK_UN)

    def close(self) -> None:
        """Give the turn up. Closing twice is fine."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def choose_for_device(level: str, min_level: str | None) -> Level:
    """Give the level at which candidates with a device run, which is weak: it must be asked for.

    level, min_level: as of `levels.choose`. Raises: SandboxError.
    """
    lowest = min_level or (MIN_LEVEL if level == "auto" else "weak")
    if level not in ("auto", "weak") or at_least(lowest) != LEVELS:
        wanted = f"min_level {lowest}" if level in ("auto", "weak") else f"level {level}"
        raise SandboxError(
            f"{wanted}: a candidate with a device runs at level weak, where a driver can work: lower "
            "min_level to weak if you trust the programs, or let them compute on the CPU"
        )
    return choose("weak")


def normalised(device: str) -> str:
    """Give the one name of a device. Raises: SandboxError when it is none that we know."""
    if not _NAME.fullmatch(device):
        raise SandboxError(f"device {device!r} is unknown: write cuda, cuda:NUMBER or cpu")
    return "cuda:0" if device == "cuda" else device


def physical(device: str) -> str:
    """Give what tells a device from others of this machine, as far as the environment says.

    A device that one process knows by its number and another by its UUID is taken for two.
    """
    kind, _, number = device.partition(":")
    visible = os.environ.get(_VISIBLE, "")
    if kind != "cuda" or not visible:
        return device.replace(":", "-")
    names = [name.strip() for name in visible.split(",")]
    if int(number) >= len(names):
        raise SandboxError(f"device {device} is not among {_VISIBLE}={visible}")
    return f"cuda-{re.sub(r'[^A-Za-z0-9-]', '_', names[int(number)])}"


def _folder() -> Path:
    """Give a folder that is this user's alone. Raises: SandboxError."""
    user = os.geteuid()
    runtime = Path(_RUNTIME.format(user=user))
    if _is_own(runtime):
        return runtime
    folder = Path(tempfile.gettempdir(), _ELSEWHERE.format(user=user))
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    if not _is_own(folder):
        raise SandboxError(f"{folder} should be a folder of yours that nobody else can write")
    return folder


def _is_own(folder: Path) -> bool:
    try:
        found = folder.lstat()
    except OSError:
        return False
    closed = not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and closed
