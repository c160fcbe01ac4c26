"""What a task has built and is kept on this machine: where it lies, and which task uses it.

The folder is `$XDG_CACHE_HOME/evolve` (`~/.cache/evolve`); all of it can be built again. A task's
author says what to keep through `evolve.task.cached`; `shipping` takes it to other machines.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

Arrays = Mapping[str, Any]


def kept(key: str, build: Callable[[], tuple[Arrays, Arrays]]) -> Path:
    """Give the folder of an artefact, built if it is not there; a second builder waits for the first.

    build: gives (public, private), two dicts of arrays.
    """
    folder = artefact_folder(key)
    if not folder.is_dir():
        with _only_builder(folder):
            if not folder.is_dir():
                _store(folder, *build())
    return folder


def arrays(folder: Path) -> dict[str, np.ndarray]:
    """Read the arrays of one part of an artefact, `public` or `private`, through memory maps."""
    return {
        path.stem: np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
        for path in sorted(folder.glob("*.npy"))
    }


def cache_folder() -> Path:
    """Give the folder under which everything rebuildable is kept."""
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(home).expanduser() / "evolve"


def artefact_folder(key: str) -> Path:
    """Give where an artefact is kept."""
    return cache_folder() / "artefacts" / key


def artefact_keys(digest: str) -> list[str]:
    """Give the keys of what was built for a task, or used by it, on this machine."""
    used = cache_folder() / "used" / digest
    keys = (path.name for path in used.glob("*"))
    return sorted(key for key in keys if artefact_folder(key).is_dir())


def noted(digest: str, key: str) -> None:
    """Note that a task uses an artefact, so that it can be sent along with the task."""
    note = cache_folder() / "used" / digest / key
    if digest and not note.exists():
        note.parent.mkdir(parents=True, exist_ok=True)
        note.touch()


@contextlib.contextmanager
def _only_builder(folder: Path) -> Iterator[None]:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _store(folder: Path, public: Arrays, private: Arrays) -> None:
    """Write beside the final place and rename, so that a kill leaves no half artefact."""
    work = Path(tempfile.mkdtemp(prefix=".building-", dir=folder.parent))
    try:
        for part, named in (("public", public), ("private", private)):
            (work / part).mkdir()
            for key, array in named.items():
                np.save(work / part / f"{key}.npy", np.asarray(array), allow_pickle=False)
        work.rename(folder)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise
