"""What several test folders share: a PostgreSQL server of their own, and fresh archives."""

from __future__ import annotations

import ctypes
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from archive import schema
from archive.store import Archive

# Debian keeps the server's programs out of PATH.
POSTGRES_BINARIES = "/usr/lib/postgresql/*/bin"

# A server on a loaded machine may need seconds to begin.
POSTGRES_START_S = 60

PR_SET_PDEATHSIG = 1

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """Start a PostgreSQL server for this test process, on a socket in a folder of its own."""
    binaries = _postgres_binaries()
    if binaries is None:
        pytest.skip("no PostgreSQL server programs (initdb, postgres) on this machine")
    # Not under pytest's folder: that one is closed to the user whom the server runs as.
    # In memory where that can be: a server writes and deletes a thousand files.
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix="evolve-postgres-", dir=memory))
    as_user: dict[str, object] = {}
    user = pwd.getpwuid(os.getuid()).pw_name
    if os.getuid() == 0:  # the server refuses to run as root
        user = "postgres"
        os.chown(folder, pwd.getpwnam(user).pw_uid, -1)
        as_user = {"user": user, "extra_groups": []}
    data = folder / "data"
    initdb = [binaries / "initdb", "-D", data, "-U", user, "-A", "trust", "-E", "UTF8", "--no-sync"]
    subprocess.run([*initdb, "--locale=C"], check=True, capture_output=True, cwd=folder, **as_user)
    options = ("fsync=off", "full_page_writes=off", "listen_addresses=", "shared_buffers=16MB")
    command = [binaries / "postgres", "-D", data, "-k", folder]
    for option in options:
        command += ["-c", option]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            command, stdout=log, stderr=log, cwd=folder, preexec_fn=_end_with_tests, **as_user
        )
    try:
        url = f"postgresql://{user}@/postgres?host={folder}"
        _wait_until_ready(url, folder / "log", server)
        yield url.replace("postgresql", "postgresql+psycopg", 1)
    finally:
        server.send_signal(signal.SIGQUIT)  # at once: its data is thrown away
        server.wait()
        shutil.rmtree(folder, ignore_errors=True)


EACH_DATABASE = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]


@pytest.fixture(params=EACH_DATABASE)
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Name a place where there is no archive yet, on each kind of database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/evolve.db"
    return new_database(request.getfixturevalue("postgres_url"))


@pytest.fixture(params=EACH_DATABASE)
def archive_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Name an archive of its own with no runs yet, on each kind of database."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("sqlite_template"), tmp_path / "evolve.db")
        return f"sqlite:///{tmp_path}/evolve.db"
    return str(request.getfixturevalue("postgres_archive"))


@pytest.fixture
def postgres_archive(used_archive: str) -> str:
    """Name an archive with no runs on PostgreSQL: always the same one, emptied for each test."""
    tables = ", ".join(schema.metadata.tables)
    with psycopg.connect(_plain(used_archive), autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        connection.execute(f"TRUNCATE {tables} RESTART IDENTITY CASCADE")
    return used_archive


@pytest.fixture(scope="session")
def used_archive(postgres_url: str) -> str:
    """Make the one archive on the server that all tests share, one after the other."""
    url = new_database(postgres_url)
    Archive.open(url).close()
    return url


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make one archive, of which tests get copies: a copy is made faster."""
    path = tmp_path_factory.mktemp("template") / "evolve.db"
    Archive.open(path).close()
    return path


def new_database(postgres_url: str) -> str:
    """Make an empty database on a server; give its URL."""
    name = f"archive_{next(_numbers)}"
    with psycopg.connect(_plain(postgres_url), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return postgres_url.replace("/postgres?", f"/{name}?")


def _plain(url: str) -> str:
    """Write SQLAlchemy's URL as the server's own programs do."""
    return url.replace("postgresql+psycopg", "postgresql")


def _postgres_binaries() -> Path | None:
    on_path = shutil.which("initdb")
    if on_path and shutil.which("postgres"):
        return Path(on_path).parent
    folders = sorted(Path("/").glob(POSTGRES_BINARIES.removeprefix("/")))
    return next((folder for folder in reversed(folders) if (folder / "postgres").exists()), None)


def _end_with_tests() -> None:
    """In the server, before it begins: end when the tests end, however they end."""
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
                pytest.fail(f"PostgreSQL did not start: {log.read_text()[-2000:]}")
        time.sleep(0.05)
