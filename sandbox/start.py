"""How a process of the trusted side is started: bare, with one thread, and finding this package."""

from __future__ import annotations

import os
import sys
import sysconfig
from pathlib import Path

# one thread everywhere, so that a fork cannot hang and results do not depend on the cores
_FIXED = {
    "LANG": "C.UTF-8",
    "MKL_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}
_INHERITED = ("LD_LIBRARY_PATH",)  # the Python of some clusters does not start without it
# What the client of a container engine needs to find engine and image; none of them is a key.
FOR_ENGINES = (
    "APPTAINER_CACHEDIR",
    "APPTAINER_TMPDIR",
    "CONTAINER_HOST",
    "DBUS_SESSION_BUS_ADDRESS",
    "DOCKER_CONFIG",
    "DOCKER_CONTEXT",
    "DOCKER_HOST",
    "EVOLVE_SANDBOX_IMAGE",
    "HOME",
    "PATH",
    "TMPDIR",
    "USER",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_RUNTIME_DIR",
)


def command(module: str, *arguments: str) -> list[str]:
    """Give the command that runs a module of this package."""
    return [sys.executable, "-P", "-s", "-m", module, *arguments]


def environment(scratch: str, hash_seed: int = 0) -> dict[str, str]:
    """Give all that the process finds in its environment; arguments as of `own_variables`."""
    found = own_variables(scratch, hash_seed)
    found |= {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return found | python_path()


def own_variables(scratch: str, hash_seed: int) -> dict[str, str]:
    """Give the variables that are ours alone, the same on any machine.

    scratch: the folder it works in. hash_seed: which Python hashes texts with, 0 to 4294967295.
    """
    hashing = {"PYTHONHASHSEED": str(hash_seed)}
    return {**_FIXED, **hashing, "HOME": scratch, "TMPDIR": scratch}


def python_path() -> dict[str, str]:
    """Give the variable by which Python finds this package, and what it finds for us by it."""
    own, named = own_path(), os.environ.get("PYTHONPATH", "")
    folders = [folder for folder in (own, *named.split(os.pathsep)) if folder]
    return {"PYTHONPATH": os.pathsep.join(folders)} if folders else {}


def own_path() -> str | None:
    """Give the folder that holds this package, unless every Python here finds it by itself."""
    own = str(Path(__file__).resolve().parents[1])
    return None if own in (sysconfig.get_path("purelib"), sysconfig.get_path("platlib")) else own
