"""One writer per run: record locks beside a SQLite file, advisory locks on PostgreSQL.

Record locks (fcntl), because flock is inherited by forked children and would outlive a killed
writer. They have two traps of their own: they do not exclude within one process, and closing any
descriptor of the file drops them all. So a process keeps one descriptor per lock file, and a list
of what it holds.
"""

from __future__ import annotations

import fcntl
import os
import struct
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, text

# Advisory locks are pairs of numbers: this one for all of ours, and the run's id.
POSTGRES_CLASS = 0x65766F6C

# `struct flock` of Linux: type, whence, start, length, pid.
FLOCK = "hhqqi"

# The byte of a lock file that is locked while an archive is created; runs count from 1.
CREATION = 0


def take_file(path: Path, run: int) -> str | None:
    """Lock a run of a SQLite archive. Gives None, or who holds it. Raises: OSError."""
    lock_file = _opened(path)
    if run in lock_file.held:
        return f"this process ({os.getpid()})"
    try:
        fcntl.lockf(lock_file.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, run)
    except (BlockingIOError, PermissionError):  # fcntl(2): EAGAIN or EACCES
        holder = _file_holder(lock_file.descriptor, run)
        _close_unused(path)
        return holder or "a process that has just ended; try again"
    lock_file.held.add(run)
    return None


def release_file(path: Path, run: int) -> None:
    """Unlock a run that `take_file` locked; a forked child that calls this changes nothing."""
    lock_file = _files.get((os.getpid(), path.resolve()))
    if lock_file is None or run not in lock_file.held:
        return
    fcntl.lockf(lock_file.descriptor, fcntl.LOCK_UN, 1, run)
    lock_file.held.discard(run)
    _close_unused(path)


def file_holder(path: Path, run: int) -> str | None:
    """Say who writes a run of a SQLite archive, if anyone does."""
    if not path.exists():
        return None
    lock_file = _opened(path)
    if run in lock_file.held:
        return f"this process ({os.getpid()})"
    holder = _file_holder(lock_file.descriptor, run)
    _close_unused(path)
    return holder


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Wait until no other process is inside this block for the same lock file."""
    lock_file = _opened(path)
    fcntl.lockf(lock_file.descriptor, fcntl.LOCK_EX, 1, CREATION)
    try:
        yield
    finally:
        fcntl.lockf(lock_file.descriptor, fcntl.LOCK_UN, 1, CREATION)
        _close_unused(path)


def take_session(connection: Connection, run: int) -> str | None:
    """Lock a run of a PostgreSQL archive for the life of this session, as `take_file` does."""
    with connection.begin():
        question = text("SELECT pg_try_advisory_lock(:kind, :run)")
        key = {"kind": POSTGRES_CLASS, "run": run}
        if connection.execute(question, key).scalar_one():
            _sessions.add(connection.connection.driver_connection)
            return None
    return session_holder(connection, run) or "a process that has just ended; try again"


def release_session(connection: Connection, run: int) -> None:
    """Unlock a run that `take_session` locked on this connection."""
    with connection.begin():
        key = {"kind": POSTGRES_CLASS, "run": run}
        connection.execute(text("SELECT pg_advisory_unlock(:kind, :run)"), key)
    _sessions.discard(connection.connection.driver_connection)


def session_holder(connection: Connection, run: int) -> str | None:
    """Say who writes a run of a PostgreSQL archive, if anyone does."""
    question = text(
        "SELECT application_name, pid FROM pg_locks JOIN pg_stat_activity USING (pid)"
        " WHERE locktype = 'advisory' AND granted AND classid = :kind AND objid = :run"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    with connection.begin():
        row = connection.execute(question, {"kind": POSTGRES_CLASS, "run": run}).first()
    return None if row is None else f"{row[0] or 'a client'} (server process {row[1]})"


def session_writers(connection: Connection) -> set[int]:
    """Give all runs of a PostgreSQL archive that someone writes."""
    question = text(
        "SELECT objid FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid = :kind"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    with connection.begin():
        return {int(run) for run in connection.scalars(question, {"kind": POSTGRES_CLASS})}


@dataclass
class _LockFile:
    descriptor: int
    held: set[int] = field(default_factory=set)


# By process too: a forked child inherits this table, and none of the locks.
_files: dict[tuple[int, Path], _LockFile] = {}


def _opened(path: Path) -> _LockFile:
    key = os.getpid(), path.resolve()
    if key not in _files:
        _files[key] = _LockFile(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666))
    return _files[key]


def _close_unused(path: Path) -> None:
    key = os.getpid(), path.resolve()
    if not _files[key].held:
        os.close(_files.pop(key).descriptor)


def _file_holder(descriptor: int, run: int) -> str | None:
    question = struct.pack(FLOCK, fcntl.F_WRLCK, os.SEEK_SET, run, 1, 0)
    kind, _, _, _, pid = struct.unpack(FLOCK, fcntl.fcntl(descriptor, fcntl.F_GETLK, question))
    return None if kind == fcntl.F_UNLCK else f"process {pid}"


# Sessions that hold a lock. A forked child inherits their sockets, and as long as one copy of a
# socket is open the server keeps the session and its locks, though the writer is dead.
# A session that was lost is closed: the number of its socket may be another file's by now.
_sessions: weakref.WeakSet[Any] = weakref.WeakSet()


def _let_go_of_sockets() -> None:
    """In a forked child: put nothing in the place of the parent's sockets, so none stays open."""
    nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for session in list(_sessions):
        if not session.closed:
            os.dup2(nothing, session.fileno(), inheritable=False)
    os.close(nothing)
    _sessions.clear()


os.register_at_fork(after_in_child=_let_go_of_sockets)
