"""A PostgreSQL server for tests and benchmarks, on a socket in a folder of its own; gone afterwards."""

from __future__ import annotations

import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psycopg

# Debian keeps the server's programs out of PATH.
POSTGRES_BINARIES = "/usr/lib/postgresql/*/bin"

# A server on a loaded machine may need seconds to begin.
POSTGRES_START_S = 600

# What is thrown away need not survive a power cut.
UNFLUSHED = ["fsync=off", "full_page_writes=off", "shared_buffers=16MB"]

PR_SET_PDEATHSIG = 1


class NoServerPrograms(Exception):
    """This machine has no PostgreSQL server."""


class PostgresServer:
    """A PostgreSQL of our own. url: of its empty database, as SQLAlchemy takes it.

    flushing: whether it lies on a disk and waits for it, as a real one does, or in memory.
    """

    def __init__(self, *, flushing: bool = False) -> None:
        """Find the server's programs. Raises: NoServerPrograms."""
        self._flushing = flushing
        binaries = _binaries()
        if binaries is None:
            raise NoServerPrograms("no PostgreSQL server programs (initdb, postgres) here")
        self._binaries = binaries

    def __enter__(self) -> PostgresServer:
        # A folder of its own: pytest's are closed to the user whom the server runs as.
        # In memory where that can be: a server writes and deletes a thousand files.
        in_memory = not self._flushing and os.access("/dev/shm", os.W_OK)
        memory = "/dev/shm" if in_memory else None
        self._folder = folder = Path(tempfile.mkdtemp(prefix="evolve-postgres-", dir=memory))
        self._as_user: dict[str, Any] = {}
        user = pwd.getpwuid(os.getuid()).pw_name
        if os.getuid() == 0:  # the server refuses to run as root
            user = "postgres"
            os.chown(folder, pwd.getpwnam(user).pw_uid, -1)
            self._as_user = {"user": user, "extra_groups": []}
        data = folder / "data"
        initdb = [self._binaries / "initdb", "-D", data, "-U", user, "-A", "trust", "-E", "UTF8"]
        subprocess.run(
            [*initdb, "--no-sync", "--locale=C"],
            check=True,
            capture_output=True,
            cwd=folder,
            **self._as_user,
        )
        self._command = [self._binaries / "postgres", "-D", data, "-k", folder]
        options = ["listen_addresses="]
        options += [] if self._flushing else UNFLUSHED
        for option in options:
            self._command += ["-c", option]
        self._plain_url = f"postgresql://{user}@/postgres?host={folder}"
        self.url = self._plain_url.replace("postgresql", "postgresql+psycopg", 1)
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()  # at once: its data is thrown away
        shutil.rmtree(self._folder, ignore_errors=True)

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        log = self._folder / "log"
        with log.open("ab") as opened:
            self._process = subprocess.Popen(
                self._command,
                stdout=opened,
                stderr=opened,
                cwd=self._folder,
                preexec_fn=_end_with_us,
                **self._as_user,
            )
        _wait_until_ready(self._plain_url, log, self._process)

    def stop(self) -> None:
        """End it at once, as a crash would."""
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait()


def plain_url(url: str) -> str:
    """Write SQLAlchemy's URL as the server's own programs do."""
    return url.replace("postgresql+psycopg", "postgresql")


def _binaries() -> Path | None:
    on_path = shutil.which("initdb")
    if on_path and shutil.which("postgres"):
        return Path(on_path).parent
    folders = sorted(Path("/").glob(POSTGRES_BINARIES.removeprefix("/")))
    return next((folder for folder in reversed(folders) if (folder / "postgres").exists()), None)


def _end_with_us() -> None:
    """In the server, before it begins: end when we end, however we do."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGQUIT)


def _wait_until_ready(url: str, log: Path, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + POSTGRES_START_S
    while True:
        try:
            psycopg.connect(url).close()
            return
        except psycopg.OperationalError:
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start: {log.read_text()[-2000:]}") from None
        time.sleep(0.05)
