"""Landlock: which files a process may open, by rules that it cannot take back (man 7 landlock).

What Landlock does not see, whatever its ABI: stat, chmod, chown, utime, xattr. Before ABI 3 it does
not see truncation, before ABI 4 no network, before ABI 5 no ioctl on devices, before ABI 6 neither
abstract sockets nor signals. The seccomp filter refuses all of these.
"""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Sequence

from sandbox.linux import libc
from sandbox.linux.syscalls import number

Place = str | os.PathLike[str] | int  # a path, or a descriptor opened with O_PATH

_CREATE_RULESET_VERSION = 1
_RULE_PATH_BENEATH = 1
_LOG_SAME_EXEC_OFF = 1  # no line in the system's log for each refusal
_LOG_SINCE = 7  # ABI

_RULESET = struct.Struct("=QQQ")  # rights over files, over the network, scopes
_PATH_BENEATH = struct.Struct("=Qi")  # rights, descriptor

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = (1 << bit for bit in range(4))
_REMOVE_DIR, _REMOVE_FILE, _MAKE_CHAR, _MAKE_DIR, _MAKE_REG = (1 << bit for bit in range(4, 9))
_REFER, _TRUNCATE, _IOCTL_DEV = (1 << bit for bit in (13, 14, 15))

_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV  # all others: of folders
_READING = _READ_FILE | _READ_DIR
_WRITING = _WRITE_FILE | _TRUNCATE | _MAKE_REG | _MAKE_DIR | _REMOVE_FILE | _REMOVE_DIR | _REFER

# ABI from which on each is known: the lowest first
_RIGHTS = ((1, (1 << 13) - 1), (2, _REFER), (3, _TRUNCATE), (5, _IOCTL_DEV))
_NETWORK = ((4, 0b11),)  # bind and connect of TCP
_SCOPES = ((6, 0b11),)  # abstract unix sockets, signals


def abi() -> int:
    """Give the version of Landlock that the kernel has; 0 where there is none."""
    try:
        return libc.syscall(number("landlock_create_ruleset"), None, 0, _CREATE_RULESET_VERSION)
    except OSError:
        return 0


class Ruleset:
    """Rules that refuse all but what is named, not in force yet; made once, for many forks.

    readable: files, and folders with all below, to read but not to execute. listable: folders
        whose names, and those of all folders below, may be listed. writable: as readable, and to
        make, change, move and remove files and folders below. devices: to read and write.
    driven: devices to control (ioctl) as well.
        A path that cannot be reached is skipped: nothing is granted.
    version: the ABI to keep to; None for the kernel's.
    fd: what holds the rules; closed on exec, and to be kept open until `restrict`.
    Raises: OSError where Landlock is absent.
    """

    def __init__(
        self,
        *,
        readable: Sequence[Place] = (),
        listable: Sequence[Place] = (),
        writable: Sequence[Place] = (),
        devices: Sequence[Place] = (),
        driven: Sequence[Place] = (),
        version: int | None = None,
    ) -> None:
        known = abi() if version is None else version
        handled = _RULESET.pack(*(_known(table, known) for table in (_RIGHTS, _NETWORK, _SCOPES)))
        self.fd = libc.syscall(number("landlock_create_ruleset"), handled, _RULESET.size, 0)
        self._flags = _LOG_SAME_EXEC_OFF if known >= _LOG_SINCE else 0
        granted = (
            (readable, _READING),
            (listable, _READ_DIR),
            (writable, _READING | _WRITING),
            (devices, _READ_FILE | _WRITE_FILE),
            (driven, _READ_FILE | _WRITE_FILE | _IOCTL_DEV),
        )
        try:
            for places, rights in granted:
                for place in places:
                    _allow(self.fd, place, rights & _known(_RIGHTS, known))
        except BaseException:
            self.close()
            raise

    def restrict(self) -> None:
        """Put the rules in force for this process and all that come from it. Raises: OSError.

        The descriptor is closed here; in the process that forked us it stays open.
        """
        libc.prctl(libc.PR_SET_NO_NEW_PRIVS, 1)
        libc.syscall(number("landlock_restrict_self"), self.fd, self._flags)
        self.close()

    def close(self) -> None:
        """Forget the rules; a process that they hold stays held."""
        os.close(self.fd)


def _known(table: tuple[tuple[int, int], ...], version: int) -> int:
    """Give the bits that an ABI has."""
    bits = 0
    for since, more in table:
        bits |= more if since <= version else 0
    return bits


def _allow(ruleset: int, place: Place, rights: int) -> None:
    if isinstance(place, int):
        _add(ruleset, place, rights)
        return
    try:
        fd = os.open(place, os.O_PATH | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return  # nothing is granted
    try:
        _add(ruleset, fd, rights)
    finally:
        os.close(fd)


def _add(ruleset: int, fd: int, rights: int) -> None:
    if not stat.S_ISDIR(os.fstat(fd).st_mode):
        rights &= _OF_FILES
    if rights:
        rule = _PATH_BENEATH.pack(rights, fd)
        libc.syscall(number("landlock_add_rule"), ruleset, _RULE_PATH_BENEATH, rule, 0)
