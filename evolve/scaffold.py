"""Makes the folder of a new task: a small one that is complete, to be changed into one's own."""

from __future__ import annotations

import shutil
from pathlib import Path

from evolve.errors import UsageError
from evolve.folder import shipped_tasks

EXAMPLE = Path(__file__).resolve().parent / "example_task"
EXAMPLE_NAME = "example"
# Files that name the task; the others are copied as they are.
NAMING = ("task.toml", "task.py", "README.md")


def scaffold(name: str, at: Path = Path()) -> Path:
    """Make the task `name` as a folder of `at`; give the folder.

    Raises: UsageError for a name that no task can have, or a folder that exists.
    """
    if not (name.isidentifier() and name.isascii() and name == name.lower() and name[0] != "_"):
        raise UsageError(
            f"{name!r} cannot be a task's name: use small letters, digits and _, a letter first"
        )
    if name in (shipped := shipped_tasks()):
        raise UsageError(f"there is a task {name} already ({shipped[name]}): choose another name")
    folder = at.expanduser() / name
    if folder.exists():
        raise UsageError(f"{folder}: exists already; choose another name or --at another folder")
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in NAMING:
        path = folder / file
        text = path.read_text(encoding="utf-8")
        path.write_text(_renamed(text, name), encoding="utf-8")
    return folder


def _renamed(text: str, name: str) -> str:
    """Put the task's name where the example's stands as a name."""
    for before, after in (
        (f'"{EXAMPLE_NAME}"', f'"{name}"'),
        (f"# {EXAMPLE_NAME}\n", f"# {name}\n"),
    ):
        text = text.replace(before, after)
    return text.replace("FOLDER", name)
