"""Takes a task to another machine: its folder, the files that its settings name, its artefacts."""

from __future__ import annotations

import hashlib
import io
import shutil
import tarfile
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evolve.artefacts import artefact_folder, artefact_keys, cache_folder, noted
from evolve.folder import TaskFolder, names_file, split_path
from evolve.loader import Task

TASKS, NAMED = "tasks", "named"
# What no grader reads.
LEFT_OUT = {"__pycache__"}
# More than this is built on each machine anew rather than sent there.
MAX_ARTEFACT_BYTES = 2 * 2**30


@dataclass(frozen=True)
class Shipment:
    """A task, packed.

    files: a tar of its folder, of that of the task it extends, and of the files its settings name.
    folder: where in it the task's folder lies. settings: with places in the tar for paths.
    """

    files: bytes
    folder: str
    settings: Mapping[str, Any]

    def unpack(self) -> tuple[Path, dict[str, Any]]:
        """Unpack on this machine, once; give the task's folder and its settings there."""
        key = hashlib.blake2b(self.files, digest_size=16).hexdigest()
        home = cache_folder() / "shipped" / key
        _unpacked(self.files, home)
        settings = {name: _placed(home, name, value) for name, value in self.settings.items()}
        return home / self.folder, settings


def pack(task: Task) -> Shipment:
    """Pack a task. Raises: OSError if a file cannot be read."""
    files = TaskFolder.of(task.folder)
    settings = dict(task.settings)
    with io.BytesIO() as content:
        with tarfile.open(fileobj=content, mode="w") as tar:
            for folder in filter(None, (files.base, files.path)):
                _add_folder(tar, folder, f"{TASKS}/{folder.name}")
            for number, (key, value) in enumerate(sorted(task.settings.items())):
                if names_file(key) and value:
                    file, name = split_path(str(value))
                    place = f"{NAMED}/{number}/{Path(file).name}"
                    _add_file(tar, Path(file), place)
                    settings[key] = f"{place}:{name}" if name else place
        return Shipment(content.getvalue(), f"{TASKS}/{files.path.name}", settings)


def pack_artefacts(digest: str) -> bytes | None:
    """Pack what this machine has built for a task; None if there is nothing, or too much of it."""
    folders = [artefact_folder(key) for key in artefact_keys(digest)]
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    if not files or sum(path.stat().st_size for path in files) > MAX_ARTEFACT_BYTES:
        return None
    with io.BytesIO() as content:
        with tarfile.open(fileobj=content, mode="w") as tar:
            for folder in folders:
                tar.add(folder, folder.name)
        return content.getvalue()


def unpack_artefacts(digest: str, content: bytes) -> None:
    """Keep what another machine has built; what is here already stays."""
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        members: dict[str, list[tarfile.TarInfo]] = {}
        for member in tar.getmembers():
            members.setdefault(member.name.partition("/")[0], []).append(member)
        for key, files in members.items():
            if not artefact_folder(key).is_dir():
                _extracted(tar, files, artefact_folder(key), inner=key)
            noted(digest, key)


def _add_folder(tar: tarfile.TarFile, folder: Path, place: str) -> None:
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        hidden = any(part.startswith(".") for part in inside.parts)
        if path.is_file() and not hidden and not LEFT_OUT.intersection(inside.parts):
            _add_file(tar, path, f"{place}/{inside.as_posix()}")


def _add_file(tar: tarfile.TarFile, path: Path, place: str) -> None:
    """Add what a file or link holds, and nothing that differs between two checkouts."""
    content = path.read_bytes()
    entry = tarfile.TarInfo(place)
    entry.size = len(content)
    tar.addfile(entry, io.BytesIO(content))


def _placed(home: Path, key: str, value: Any) -> Any:
    return str(home / value) if names_file(key) and value else value


def _unpacked(content: bytes, home: Path) -> None:
    if home.is_dir():
        return
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        _extracted(tar, tar.getmembers(), home)


def _extracted(
    tar: tarfile.TarFile, members: Iterable[tarfile.TarInfo], home: Path, inner: str = ""
) -> None:
    """Unpack beside the final place and rename, so that no half folder is ever seen there."""
    home.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".unpacking-", dir=home.parent))
    try:
        tar.extractall(work, members, filter="data")
        (work / inner).rename(home)
    except OSError:
        if not home.is_dir():  # else another was faster, with the same
            raise
    finally:
        shutil.rmtree(work, ignore_errors=True)
