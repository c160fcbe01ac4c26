"""What several test folders share: a PostgreSQL server of their own, and fresh archives."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from own_postgres import NoServerPrograms, PostgresServer, plain_url

from archive import schema
from archive.store import Archive

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """Start a PostgreSQL server for this test process, on a socket in a folder of its own."""
    with _server() as server:
        yield server.url


@pytest.fixture
def postgres_server() -> Iterator[PostgresServer]:
    """Start a PostgreSQL server for one test, which may stop it and start it again."""
    with _server() as server:
        yield server


@contextlib.contextmanager
def _server() -> Iterator[PostgresServer]:
    try:
        server = PostgresServer()
    except NoServerPrograms as missing:
        pytest.skip(str(missing))
    with server:
        yield server


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
    with psycopg.connect(plain_url(used_archive), autocommit=True) as connection:
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
    with psycopg.connect(plain_url(postgres_url), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return postgres_url.replace("/postgres?", f"/{name}?")


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[object]:
    """Start a Ray cluster of two nodes on this machine, and connect this process to it."""
    pytest.importorskip("ray")
    from evolve.config import RaySettings
    from evolve.ray_cluster import Cluster

    with two_nodes() as nodes:
        connection = Cluster(RaySettings(address=nodes.address), on_gpu=False)
        connection.connect(1)
        try:
            yield nodes
        finally:
            connection.disconnect()


@contextlib.contextmanager
def two_nodes() -> Iterator[object]:
    """Run two nodes of a Ray cluster, one CPU each, that only this machine can reach."""
    from ray.cluster_utils import Cluster

    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # tests talk to this machine only
    # Sockets lie in it, and their names must be short.
    folder = tempfile.mkdtemp(prefix="evolve-ray-")
    before = os.environ.get("RAY_TMPDIR")
    os.environ["RAY_TMPDIR"] = folder
    loopback = {"node_ip_address": "127.0.0.1", "num_cpus": 1}
    cluster = Cluster(initialize_head=True, head_node_args={**loopback, "include_dashboard": False})
    try:
        cluster.add_node(**loopback)
        yield cluster
    finally:
        cluster.shutdown()
        shutil.rmtree(folder, ignore_errors=True)
        if before is None:
            del os.environ["RAY_TMPDIR"]
        else:
            os.environ["RAY_TMPDIR"] = before
