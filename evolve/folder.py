"""A task's folder on disk, laid over that of the task that it is a variant of."""

from __future__ import annotations

import difflib
import hashlib
import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evolve.errors import TaskError, UsageError

SPEC_FILE = "task.toml"
CODE_FILE = "task.py"
HARNESS_FILE = "harness.py"
EXTENDS = "extends"
# Keys of task.toml that a variant changes one by one; any other it replaces whole.
TABLES = ("settings", "limits", "slot", "dims", "published_protocol")
# What does not decide a grade, and so does not enter the digest.
LEFT_OUT_FOLDERS = {"programs", "controls", "tuned", "exported", "__pycache__"}
LEFT_OUT_FILES = {"brief.md", "README.md", "baselines.json"}
# A setting of this name, or whose name ends so after a dot, names a file of the user's.
PATH = "path"


@dataclass(frozen=True, slots=True)
class TaskFolder:
    """The files of one task.

    path: its own folder. base: that of the task that it extends, None if of none. heir: it has the
    same entry point as its base, so the base's programs are answers to it too.

    A file of its own hides that of its base with the same name.
    """

    path: Path
    base: Path | None = None
    heir: bool = False

    @classmethod
    def of(cls, path: Path) -> TaskFolder:
        """Find what belongs to a task's folder. Raises: TaskError."""
        own = read_toml(path / SPEC_FILE)
        base = base_of(path, own)
        if base is None:
            return cls(path)
        inherited = read_toml(base / SPEC_FILE).get("entry")
        return cls(path, base, heir=own.get("entry", inherited) == inherited)

    def code(self) -> Path:
        """Give the `task.py` that speaks for the task. Raises: TaskError if there is none."""
        for folder in filter(None, (self.path, self.base)):
            if (folder / CODE_FILE).is_file():
                return folder / CODE_FILE
        raise TaskError(f"{self.path}: has no {CODE_FILE}; it defines instances() and grade()")

    def harness(self) -> str | None:
        """Give the source of the driver that runs inside the wall, if there is one."""
        for folder in filter(None, (self.path, self.base if self.heir else None)):
            if (folder / HARNESS_FILE).is_file():
                return (folder / HARNESS_FILE).read_text(encoding="utf-8")
        return None

    def sources(self, name: str) -> dict[str, str]:
        """Give the Python files of a subfolder such as `programs`, {stem: source} by name."""
        inherited = _sources(self.base / name) if self.base and self.heir else {}
        return dict(sorted({**inherited, **_sources(self.path / name)}.items()))

    def exported(self) -> dict[str, Path]:
        """Give the modules that are exported beside what is discovered, {file name: path}."""
        folders = filter(None, (self.base if self.heir else None, self.path))
        return {
            path.name: path
            for folder in folders
            for path in sorted((folder / "exported").glob("*.py"))
        }

    def digest(self, settings: Mapping[str, Any]) -> str:
        """Give the digest of all that decides a grade: task.toml, code, data, settings.

        Of a file that a setting names it is the content that counts. Raises: UsageError.
        """
        state = _code_state(self.path)
        if self.base:
            state.update(_code_state(self.base).digest())
        named = {key: _content(key, value) for key, value in settings.items()}
        state.update(json.dumps(named, sort_keys=True).encode())
        return state.hexdigest()

    def shared_digest(self) -> str:
        """Give the digest of what a task has in common with all its variants, settings left out."""
        return _code_state(self.base or self.path).hexdigest()


def read_laid(path: Path) -> dict[str, Any]:
    """Read a task.toml, laid over that of the task that it extends. Raises: TaskError."""
    own = read_toml(path)
    base = base_of(path.parent, own)
    if base is None:
        return own
    values = read_toml(base / SPEC_FILE)
    for key, value in own.items():
        tables = key in TABLES and isinstance(value, dict) and isinstance(values.get(key), dict)
        values[key] = {**values[key], **value} if tables else value
    return values


def read_toml(path: Path) -> dict[str, Any]:
    """Read a task.toml as it stands. Raises: TaskError."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TaskError(f"{path}: cannot be read ({error.strerror}); a task needs it") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TaskError(f"{path}: not TOML: {error}") from error


def base_of(folder: Path, values: Mapping[str, Any]) -> Path | None:
    """Give the folder of the task that a task.toml says it extends: beside it, or a shipped one.

    Raises: TaskError if there is no such task, or if it extends another itself.
    """
    name = values.get(EXTENDS)
    if name is None:
        return None
    about = f"{folder / SPEC_FILE}: {EXTENDS} = {name!r}"
    near = folder.parent / str(name)
    base = near if (near / SPEC_FILE).is_file() else shipped_tasks().get(str(name))
    if base is None:
        close = difflib.get_close_matches(str(name), shipped_tasks(), 1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise TaskError(f"{about}: no such task, neither in {folder.parent} nor shipped{hint}")
    if base.resolve() == folder.resolve():
        raise TaskError(f"{about}: a task cannot extend itself")
    if EXTENDS in read_toml(base / SPEC_FILE):
        raise TaskError(f"{about}: is a variant itself; name the task that it extends")
    return base


def shipped_tasks() -> dict[str, Path]:
    """Give the tasks that come with evolve, {name: folder}."""
    package = Path(__file__).resolve().parent
    # A wheel carries them inside the package; a checkout has them beside it.
    for home in (package / "_tasks", package.parent / "tasks"):
        if home.is_dir():
            return {path.parent.name: path.parent for path in sorted(home.glob(f"*/{SPEC_FILE}"))}
    return {}


def names_file(key: str) -> bool:
    """Tell whether a setting names a file of the user's."""
    return key.rpartition(".")[2] == PATH


def split_path(value: str) -> tuple[str, str]:
    """Split `FILE` or `FILE:NAME`, where NAME is of something in the file and may be empty."""
    file, colon, name = value.rpartition(":")
    return (file, name) if colon and name.isidentifier() else (value, "")


def _content(key: str, value: Any) -> Any:
    """Give what a setting stands for in a digest: its value, or what is in the file it names."""
    if not (names_file(key) and value):
        return value
    file, name = split_path(value)
    try:
        with Path(file).open("rb") as opened:
            content = hashlib.file_digest(opened, lambda: hashlib.blake2b(digest_size=16))
    except OSError as error:
        raise UsageError(f"--set {key}={value}: cannot be read ({error.strerror})") from error
    return [content.hexdigest(), name]


def _code_state(folder: Path) -> hashlib.blake2b:
    state = hashlib.blake2b(digest_size=16)
    for path in _deciding_files(folder):
        name, content = path.relative_to(folder).as_posix().encode(), path.read_bytes()
        state.update(b"%d:%s%d:" % (len(name), name, len(content)))
        state.update(content)
    return state


def _deciding_files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        hidden = any(part.startswith(".") for part in parts)
        if path.is_file() and not hidden and not LEFT_OUT_FOLDERS.intersection(parts):
            if len(parts) == 1 and parts[0] in LEFT_OUT_FILES:
                continue
            yield path


def _sources(folder: Path) -> dict[str, str]:
    return {
        path.stem: path.read_text(encoding="utf-8")
        for path in sorted(folder.glob("*.py"))
        if not path.name.startswith("_")
    }
