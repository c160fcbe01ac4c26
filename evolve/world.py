"""The world that results belong to: versions and hardware that may change a last digit."""

from __future__ import annotations

import functools
import hashlib
import platform
from importlib import metadata
from pathlib import Path

from evolve.loader import Task

# Where this very code was read from.
HOME = Path(__file__).resolve().parent.parent
# What runs and grades candidates, and the records that it speaks in.
PACKAGES = ("archive", "evolve", "sandbox")
# Where a wheel has the shipped tasks. They are no code of ours: a task is sent to each node.
SHIPPED_TASKS = "_tasks"

CPU = "cpu"


def world_of(task: Task) -> str:
    """Name the world of a task's results: which GPU of a machine it is makes no other world."""
    return world(device_of(task).partition(":")[0])


def device_of(task: Task) -> str:
    """Give where a task computes: "cuda" or "cuda:1" if its setting `device` or its programs say so."""
    told = (str(task.settings.get("device", CPU)), task.spec.device or CPU)
    return next((device for device in told if device.startswith("cuda")), CPU)


def world(device: str = CPU) -> str:
    """Name what must be equal for results to be comparable bit by bit.

    Minor versions of Python, numpy and torch, the architecture and the device; read from the
    installed packages' metadata, so that nothing is imported.
    """
    python = ".".join(platform.python_version_tuple()[:2])
    parts = [f"python{python}", _minor("numpy"), _minor("torch"), platform.machine(), device]
    return " ".join(parts)


@functools.cache
def code_digest(home: Path = HOME) -> str:
    """Name the code that runs and grades candidates: two checkouts with equal names do the same.

    home: the folder in which the packages lie; its files are read once in each process.
    """
    digest = hashlib.blake2b(digest_size=16)
    for package in PACKAGES:
        files = filter(_is_code, (home / package).rglob("*.py"))
        paths = (path.relative_to(home) for path in files)
        for name in sorted(path.as_posix() for path in paths if SHIPPED_TASKS not in path.parts):
            content = (home / name).read_bytes()
            digest.update(f"{name}\0{len(content)}\0".encode())
            digest.update(content)
    return digest.hexdigest()


def _is_code(path: Path) -> bool:
    """Tell a module from what editors leave beside it while they are open."""
    return not path.name.startswith(".") and path.is_file()


def _minor(package: str) -> str:
    try:
        version = metadata.version(package)
    except metadata.PackageNotFoundError:
        return f"{package}-none"
    return package + ".".join(version.split("+")[0].split(".")[:2])
