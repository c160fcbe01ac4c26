"""The world that results belong to: versions and hardware that may change a last digit."""

from __future__ import annotations

import platform
from importlib import metadata


def world(device: str = "cpu") -> str:
    """Name what must be equal for results to be comparable bit by bit.

    Minor versions of Python, numpy and torch, the architecture and the device; read from the
    installed packages' metadata, so that nothing is imported.
    """
    python = ".".join(platform.python_version_tuple()[:2])
    parts = [f"python{python}", _minor("numpy"), _minor("torch"), platform.machine(), device]
    return " ".join(parts)


def _minor(package: str) -> str:
    try:
        version = metadata.version(package)
    except metadata.PackageNotFoundError:
        return f"{package}-none"
    return package + ".".join(version.split("+")[0].split(".")[:2])
