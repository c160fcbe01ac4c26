"""How a Ray of this machine that was started by hand is joined: whether it asks for a token."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip("ray")

from evolve.ray_cluster import _asks_for_token

ADDRESS = "127.0.0.1:1"
# Stands in for Ray's process: only its command line and its environment are looked at.
PROCESS = "import sys; print('ready', flush=True); sys.stdin.read()"


@contextmanager
def running(program: str, **variables: str) -> Iterator[None]:
    environment = {"PATH": os.environ["PATH"], **variables}
    command = [sys.executable, "-c", program, f"--gcs-address={ADDRESS}"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, env=environment, **pipes) as process:  # type: ignore[call-overload]
        assert process.stdout.readline() == b"ready\n"
        yield
        process.stdin.close()


def test_a_ray_of_ours_tells_whether_it_was_started_with_a_token() -> None:
    with running(PROCESS):
        assert not _asks_for_token(ADDRESS)
    with running(PROCESS, RAY_AUTH_MODE="token"):
        assert _asks_for_token(ADDRESS)


def test_where_nobody_may_look_the_token_is_shown_if_there_is_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read = Path.read_bytes

    def refused(path: Path) -> bytes:
        if path.name == "environ":  # as of a process that is ours and not dumpable
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", refused)
    with running(PROCESS):
        assert _asks_for_token(ADDRESS)
