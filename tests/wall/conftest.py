"""What the tests of the wall share: the levels of this machine, and programs as an ordinary user."""

import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

import sandbox
from sandbox.levels import survey

LEVELS_HERE = [level for level, found in survey().items() if found.available]
WEAKER = set(LEVELS_HERE[:-1])
NOBODY = 65534
ROOT = Path(sandbox.__file__).parents[1]
OPEN_TO_ALL = 0o001  # the right to pass through a folder

Run = Callable[[Sequence[str], float], "subprocess.CompletedProcess[str]"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave all levels but the strongest out of `make quick`."""
    for item in items:
        callspec = getattr(item, "callspec", None)
        if callspec and WEAKER.intersection(map(str, callspec.params.values())):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="module", params=LEVELS_HERE)
def level(request: pytest.FixtureRequest) -> str:
    """Name each level that this machine can enforce."""
    return str(request.param)


@pytest.fixture(scope="session")
def as_nobody() -> Run:
    """Give a function that runs a command as nobody.

    Where this Python or our packages lie under a folder that is closed to others, as in root's
    home, the command sees an open folder there with nothing but them.
    """

    def run(command: Sequence[str], timeout_s: float) -> "subprocess.CompletedProcess[str]":
        with tempfile.TemporaryDirectory() as stage:
            script = "\n".join(["set -e", *_views(Path(stage)), _as_user(command)])
            return subprocess.run(
                ["unshare", "--mount", "--propagation", "private", "sh", "-c", script],
                cwd="/",
                env={"PATH": "/usr/bin:/bin", "HOME": "/", "PYTHONPATH": str(ROOT)},
                capture_output=True,
                text=True,
                timeout=timeout_s,
            )

    return run


def _as_user(command: Sequence[str]) -> str:
    become = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    return shlex.join(["exec", *become, *command])


def _views(stage: Path) -> list[str]:
    """Give shell commands that show each hidden folder in an open one, in a private namespace."""
    hidden = sorted({path for path in _needed() if _closed_above(path)})
    closed = sorted({above for path in hidden if (above := _closed_above(path))})
    lines = [f"mount -t tmpfs -o mode=755 tmpfs {stage}"]
    for number, path in enumerate(hidden):
        lines += [
            f"mkdir {stage}/{number}",
            f"mount --rbind {shlex.quote(str(path))} {stage}/{number}",
        ]
    lines += [f"mount -t tmpfs -o mode=755 tmpfs {shlex.quote(str(folder))}" for folder in closed]
    for number, path in enumerate(hidden):
        place = shlex.quote(str(path))
        lines += [f"mkdir -p {place}", f"mount --rbind {stage}/{number} {place}"]
    return [*lines, f"umount -l {stage}"] if hidden else []


def _needed() -> set[Path]:
    return {Path(sys.base_prefix), Path(sys.prefix), ROOT}


def _closed_above(path: Path) -> Path | None:
    """Give the uppermost folder above (or at) a path through which others may not pass."""
    for folder in [*reversed(path.parents), path]:
        if not folder.stat().st_mode & OPEN_TO_ALL:
            return folder
    return None
