"""Finds a task's folder and reads what may be read outside the grader; never imports `task.py`."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evolve.config import ModelSettings, RaySettings, SearchSettings, parse_settings
from evolve.errors import TaskError, UsageError
from evolve.folder import CODE_FILE, SPEC_FILE, TaskFolder, names_file, shipped_tasks, split_path
from evolve.spec import TaskSpec, read_spec

TRIVIAL = "trivial"


@dataclass(frozen=True)
class Task:
    """A task as everything but the grader sees it.

    settings: the task's own options with this run's values. digest: of what decides a grade.
    search, model, ray: how to search, how models are called, and where `--executor ray` finds
    places, as told with `--set`.
    """

    folder: Path
    spec: TaskSpec
    brief: str
    settings: Mapping[str, Any]
    digest: str
    search: SearchSettings = field(default_factory=SearchSettings)
    model: ModelSettings = field(default_factory=ModelSettings)
    ray: RaySettings = field(default_factory=RaySettings)

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def _files(self) -> TaskFolder:
        return TaskFolder.of(self.folder)

    def programs(self) -> dict[str, str]:
        """Give the initial programs, {name: source}, `trivial` first."""
        found = self._files.sources("programs")
        if not found:
            raise TaskError(f"{self.folder}/programs: no initial program (*.py) is there")
        return {
            name: found[name] for name in sorted(found, key=lambda name: (name != TRIVIAL, name))
        }

    def controls(self) -> dict[str, str]:
        """Give the reference programs that are never initial, {name: source}."""
        return self._files.sources("controls")

    def harness(self) -> str | None:
        """Give the source of the driver that runs inside the wall, if the task has one."""
        return self._files.harness()

    def exported(self) -> dict[str, Path]:
        """Give the modules that are exported beside what is discovered, {file name: path}."""
        return self._files.exported()

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
    files = TaskFolder.of(folder)
    files.code()
    told = parse_settings(pairs, spec)
    settings = {key: _located(key, value) for key, value in told.task.items()}
    brief = folder / "brief.md"
    return Task(
        folder=folder,
        spec=spec,
        brief=brief.read_text(encoding="utf-8") if brief.is_file() else spec.about,
        settings=settings,
        digest=files.digest(settings),
        search=told.search,
        model=told.model,
        ray=told.ray,
    )


def _shipped(name: str) -> list[Path]:
    return [path for known, path in shipped_tasks().items() if known == name]


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
        if not path.exists():
            raise TaskError(f"{name}: no such task; {hint}")
    if path.is_dir():  # an empty one hides no shipped task
        raise TaskError(
            f"{path}: is empty: a task has {SPEC_FILE}, {CODE_FILE}, brief.md and programs/*.py "
            "(`evolve new NAME` makes one that works)"
        )
    if path.exists():
        raise TaskError(f"{path}: is a file: name the folder that holds {SPEC_FILE}")
    raise TaskError(f"{name}: no such folder")


def load_moved(folder: str, pairs: Iterable[str], digest: str) -> Task:
    """Load the task that was in a folder; if that is gone, the same one of its name, here or shipped.

    Raises: as `load_task`; TaskError if it is nowhere, which says where it was.
    """
    pairs, there = list(pairs), Path(folder)
    if there.exists():
        return load_task(there, pairs)
    near = Path(there.name), Path("tasks", there.name), *_shipped(there.name)
    for place in near:
        if (place / SPEC_FILE).is_file():
            task = load_task(place, pairs)
            if task.digest == digest:
                return task
    raise TaskError(
        f"{folder}: no such folder, and no task {there.name} here or shipped is the one that was there"
    )


def _located(key: str, value: Any) -> Any:
    """Give a setting's value; the file that it names, if it names one, by its full path.

    So a run is resumed from any working folder. Raises: UsageError if there is no such file.
    """
    if not (names_file(key) and value):
        return value
    file, name = split_path(value)
    path = Path(file).expanduser().resolve()
    if not path.is_file():
        raise UsageError(f"--set {key}={value}: there is no file {path}")
    return f"{path}:{name}" if name else str(path)
