"""Where a run's initial programs come from: `--from published|trivial|RUN|DIR|FILE.py`."""

from __future__ import annotations

import difflib
from pathlib import Path

from archive import views
from archive.errors import Misnamed
from archive.store import Archive
from evolve.errors import UsageError
from evolve.loader import TRIVIAL, Task

PUBLISHED = "published"


def initial_programs(task: Task, origin: str, archive: Archive) -> dict[str, str]:
    """Give the initial programs, {name: source}.

    origin: "published" (all of the task's programs), "trivial" (that one), a folder or a file of
    Python, or a run of this archive (the elites that its cells show, the best first).
    Raises: UsageError if it is none of these, or holds no program.
    """
    if origin == PUBLISHED:
        return task.programs()
    if origin == TRIVIAL:
        return _trivial(task)
    path = Path(origin).expanduser()
    if path.suffix == ".py" or path.exists() or len(path.parts) > 1:
        return _from_path(path)
    return _from_run(task, origin, archive)


def _trivial(task: Task) -> dict[str, str]:
    programs = task.programs()
    if TRIVIAL not in programs:
        raise UsageError(f"--from trivial: {task.folder} has no programs/{TRIVIAL}.py")
    return {TRIVIAL: programs[TRIVIAL]}


def _from_path(path: Path) -> dict[str, str]:
    files = sorted(path.glob("*.py")) if path.is_dir() else [path]
    if not files:
        raise UsageError(f"--from {path}: no program (*.py) is there")
    try:
        return {file.stem: file.read_text(encoding="utf-8") for file in files}
    except OSError as error:
        hint = _did_you_mean(str(path), _neighbours(path))
        raise UsageError(
            f"--from {error.filename}: cannot be read ({error.strerror}){hint}"
        ) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"--from {path}: not text in UTF-8") from error


def _from_run(task: Task, name: str, archive: Archive) -> dict[str, str]:
    try:
        run = archive.run(name)
    except Misnamed as error:
        runs = [run.name for run in archive.runs()]
        hint = _did_you_mean(name, [PUBLISHED, TRIVIAL, *runs, *_neighbours(Path(name))])
        if not hint and runs:
            hint = f"; the latest run is {runs[-1]}"
        raise UsageError(
            f"--from {name}: neither `{PUBLISHED}`, `{TRIVIAL}`, a run, a folder nor FILE.py{hint}"
        ) from error
    other = archive.task(run.task).name
    if other != task.name:
        raise UsageError(
            f"--from {name}: is a run of {other}, its programs are none of {task.name}"
        )
    elites = views.shown_elites(archive, run.id)
    if not elites:
        raise UsageError(f"--from {name}: that run has no elites yet")
    return {f"{name}-step{shown.elite.step}": shown.source for shown in elites}


def _neighbours(path: Path) -> list[str]:
    """Give the folders and the files of Python that stand where a path should be."""
    there = sorted(path.parent.glob("*"))
    return [str(each) for each in there if each.suffix == ".py" or each.is_dir()]


def _did_you_mean(origin: str, known: list[str]) -> str:
    """Name what is closest to a misspelt origin; nothing if nothing is close."""
    close = difflib.get_close_matches(origin, known, 1)
    return f"; did you mean {close[0]}?" if close else ""
