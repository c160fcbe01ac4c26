"""What reading a task's folder tells, with nothing run."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from evolve.check.report import Finding, error, warning
from evolve.errors import Unparsable
from evolve.loader import TRIVIAL, Task
from evolve.screen import screen

HARNESS_ENTRY = "call"


def read_files(task: Task) -> Iterator[Finding]:
    """Give what is wrong with a task's files."""
    for name in ("brief.md", "README.md"):
        if not (task.folder / name).is_file():
            yield warning(name, "is missing: it tells a model, or a person, what the task is")
    if task.folder.name != task.name:
        yield warning(
            "task.toml", f"name is {task.name!r} and the folder is named {task.folder.name!r}"
        )
    programs = task.programs()
    if TRIVIAL not in programs:
        yield error("programs/trivial.py", "is missing: random choice is what 0 means")
    for name, source in programs.items():
        yield from _read_program(task, f"programs/{name}.py", source)
    harness = task.harness()
    if harness is not None:
        yield from _read_code("harness.py", harness, HARNESS_ENTRY)
    for block in task.spec.block:
        yield from _read_code(f"task.toml: block {block.name}", block.source, block.name)


def _read_program(task: Task, about: str, source: str) -> Iterator[Finding]:
    try:
        screen(source, task.spec)
    except Unparsable as fault:
        yield error(about, str(fault))
        return
    if ast.get_docstring(ast.parse(source)) is None:
        yield warning(about, "has no docstring: say what it does and cite its source")


def _read_code(about: str, source: str, function: str) -> Iterator[Finding]:
    """Look for a function that some code must define."""
    try:
        tree = ast.parse(source)
    except SyntaxError as fault:
        yield error(about, f"line {fault.lineno}: {fault.msg}")
        return
    definitions = (ast.FunctionDef, ast.ClassDef)
    if function not in {node.name for node in tree.body if isinstance(node, definitions)}:
        yield error(about, f"defines no function {function!r}")
