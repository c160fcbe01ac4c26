"""The working folder of candidates: emptied between them, whatever one has made of it.

Nothing here follows a link, walks a path or goes deeper than one folder: what lies in a folder is
moved up before the folder is removed, so that no depth and no length of a name matters.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import stat
from collections.abc import Iterator

_MODE = 0o700  # of a folder that nobody else may enter
INNER = "candidate"


def inner(folder: str) -> str:
    """Make a folder within a folder, to be made anew for each candidate, and let Python use it.

    One that was emptied still tells how many files it once held: by its size, or where it lies in
    memory by the numbers of the next ones.
    """
    path = os.path.join(folder, INNER)  # noqa: PTH118
    os.mkdir(path, _MODE)  # noqa: PTH102
    os.environ.update(HOME=path, TMPDIR=path)
    return path


def outer(folder: str) -> str:
    """Give the folder in which an `inner` one is made anew; any other folder as it is."""
    above, name = os.path.split(folder)
    return above if name == INNER else folder


def renew(folder: str) -> None:
    """Make a working folder ready for the next candidate: `empty` it; an `inner` one, anew."""
    empty(folder)
    if outer(folder) != folder:
        os.rmdir(folder)  # noqa: PTH106
        os.mkdir(folder, _MODE)  # noqa: PTH102


def empty(folder: str) -> None:
    """Make a working folder what it was; nobody else may be at work in it. Raises: OSError."""
    try:
        top = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except FileNotFoundError:
        os.mkdir(folder, _MODE)  # noqa: PTH102
        return
    except (NotADirectoryError, PermissionError) as error:
        _mend(folder, error)
        top = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        _empty(top)
    finally:
        os.close(top)


def remove(folder: str) -> None:
    """Remove a working folder with all in it, as far as that is ours to do."""
    with contextlib.suppress(OSError):
        empty(folder)
        os.rmdir(folder)  # noqa: PTH106


def _mend(folder: str, error: OSError) -> None:
    """Put a folder that can be opened where a candidate left something else."""
    if isinstance(error, PermissionError):
        os.chmod(folder, _MODE)  # noqa: PTH101
        return
    os.unlink(folder)  # noqa: PTH108
    os.mkdir(folder, _MODE)  # noqa: PTH102


def _empty(top: int) -> None:
    about = os.fstat(top)
    if about.st_uid == os.geteuid() and stat.S_IMODE(about.st_mode) != _MODE:
        if os.fstatvfs(top).f_flag & os.ST_RDONLY:
            return
        os.fchmod(top, _MODE)
    free = itertools.count()
    while names := os.listdir(top):
        for name in names:
            try:
                os.unlink(name, dir_fd=top)
            except IsADirectoryError:
                _move_up(top, name, free)


def _move_up(top: int, name: str, free: Iterator[int]) -> None:
    """Remove a folder in `top`; what lies in it comes to lie in `top`."""
    os.chmod(name, _MODE, dir_fd=top)  # it is no link, and nobody lives who could make it one
    inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=top)
    try:
        for each in os.listdir(inner):  # noqa: PTH208
            if stat.S_ISDIR(os.stat(each, dir_fd=inner, follow_symlinks=False).st_mode):
                os.chmod(each, _MODE, dir_fd=inner)  # else it may not have another parent
            os.rename(each, _free_name(top, free), src_dir_fd=inner, dst_dir_fd=top)
    finally:
        os.close(inner)
    os.rmdir(name, dir_fd=top)


def _free_name(top: int, free: Iterator[int]) -> str:
    for turn in free:
        name = f"moved-{turn}"
        try:
            os.stat(name, dir_fd=top, follow_symlinks=False)
        except FileNotFoundError:
            return name
    raise AssertionError("unreachable")
