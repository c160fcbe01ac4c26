"""Finds a task's folder and reads what may be read outside the grader; never imports `task.py`."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evolve.config import ModelSettings, SearchSettings, parse_settings
from evolve.errors import TaskError
from evolve.spec import TaskSpec, read_spec

SPEC_FILE = "task.toml"
CODE_FILE = "task.py"
TRIVIAL = "trivial"
# What does not decide a grade, and so does not enter the digest.
LEFT_OUT_FOLDERS = {"programs", "controls", "tuned", "__pycache__"}
LEFT_OUT_FILES = {"brief.md", "README.md", "baselines.json"}


@dataclass(frozen=True)
class Task:
    """A task as everything but the grader sees it.

    settings: the task's own options with this run's values. digest: of what decides a grade.
    search, model: how to search, and how models are called, as told with `--set`.
    """

    folder: Path
    spec: TaskSpec
    brief: str
    settings: Mapping[str, Any]
    digest: str
    search: SearchSettings = field(default_factory=SearchSettings)
    model: ModelSettings = field(default_factory=ModelSettings)

    @property
    def name(self) -> str:
        return self.spec.name

    def programs(self) -> dict[str, str]:
        """Give the initial programs, {name: source}, `trivial` first."""
        found = _sources(self.folder / "programs")
        if not found:
            raise TaskError(f"{self.folder}/programs: no initial program (*.py) is there")
        return {
            name: found[name] for name in sorted(found, key=lambda name: (name != TRIVIAL, name))
        }

    def controls(self) -> dict[str, str]:
        """Give the reference programs that are never initial, {name: source}."""
        return _sources(self.folder / "controls")

    def harness(self) -> str | None:
        """Give the source of the driver that runs inside the wall, if the task has one."""
        path = self.folder / "harness.py"
        return path.read_text(encoding="utf-8") if path.is_file() else None

    def baselines(self) -> dict[str, Any]:
        """Give what was measured of the baselines, {} if nothing was yet."""
        path = self.folder / "baselines.json"
        if not path.is_file():
            return {}
        try:
            return dict(json.loads(path.read_text(encoding="utf-8")))
        except ValueError as error:
            raise TaskError(
                f"{path}: not JSON: {error}; `python -m evolve.baselines {self.folder}` writes it"
            ) from error


def load_task(name: str | Path, pairs: Iterable[str] = ()) -> Task:
    """Load a task by path or by name, with `key=value` settings.

    `tasks/NAME` and a bare `NAME` fall back to the task of that name that ships with evolve.
    Raises: TaskError for a folder that is no task; UsageError for wrong settings.
    """
    folder = find_task(name)
    spec = read_spec(folder / SPEC_FILE)
    if not (folder / CODE_FILE).is_file():
        raise TaskError(f"{folder}: has no {CODE_FILE}; it defines instances() and grade()")
    told = parse_settings(pairs, spec)
    brief = folder / "brief.md"
    return Task(
        folder=folder,
        spec=spec,
        brief=brief.read_text(encoding="utf-8") if brief.is_file() else spec.about,
        settings=told.task,
        digest=task_digest(folder, told.task),
        search=told.search,
        model=told.model,
    )


def find_task(name: str | Path) -> Path:
    """Give the folder of a task. Raises: TaskError that names what was looked for."""
    path = Path(name).expanduser()
    if (path / SPEC_FILE).is_file():
        return path.resolve()
    if path.is_dir() and any(path.iterdir()):
        raise TaskError(f"{path}: has no {SPEC_FILE}, so it is not a task (`evolve new` makes one)")
    parts = path.parts
    if len(parts) == 1 or (len(parts) == 2 and parts[0] == "tasks"):
        shipped = shipped_tasks()
        if parts[-1] in shipped:
            return shipped[parts[-1]]
        close = difflib.get_close_matches(parts[-1], shipped, 1)
        hint = f"did you mean {close[0]}?" if close else f"there are: {', '.join(shipped)}"
        raise TaskError(f"{name}: no such task; {hint}")
    raise TaskError(f"{name}: no such folder")


def shipped_tasks() -> dict[str, Path]:
    """Give the tasks that come with evolve, {name: folder}."""
    package = Path(__file__).resolve().parent
    # A wheel carries them inside the package; a checkout has them beside it.
    for home in (package / "_tasks", package.parent / "tasks"):
        if home.is_dir():
            return {path.parent.name: path.parent for path in sorted(home.glob(f"*/{SPEC_FILE}"))}
    return {}


def task_digest(folder: Path, settings: Mapping[str, Any]) -> str:
    """Give the digest of all that decides a grade: task.toml, code, data, settings."""
    state = hashlib.blake2b(digest_size=16)
    for path in _deciding_files(folder):
        name, content = path.relative_to(folder).as_posix().encode(), path.read_bytes()
        state.update(b"%d:%s%d:" % (len(name), name, len(content)))
        state.update(content)
    state.update(json.dumps(dict(settings), sort_keys=True).encode())
    return state.hexdigest()


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
