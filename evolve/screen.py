"""What a program is refused for before any process is spent on it; each reason says what to do."""

from __future__ import annotations

import ast

from evolve.errors import Unparsable
from evolve.program import parse
from evolve.spec import TaskSpec

ALWAYS_ALLOWED = "__future__"
FORBIDDEN_NAMES = frozenset(("__import__", "__builtins__", "importlib"))
"""Ways around the import list. The wall does not rely on it: this saves a process, no more."""


class Screened(Unparsable):
    """A program that parses but cannot be what the task asks for; the message is for its author."""


def screen(source: str, task: TaskSpec) -> None:
    """Check size, syntax, imports and entry point, in this order.

    Raises: Unparsable or its kind Screened, with a sentence that helps to repair the program.
    """
    size = len(source.encode("utf-8", "replace"))
    if size > task.max_source_bytes:
        raise Screened(
            f"the source has {size:,} bytes and the limit is {task.max_source_bytes:,}: shorten it"
        )
    tree = parse(source)
    for node in ast.walk(tree):
        _check_import(node, task)
    _check_entry(tree, task.entry)


def _check_import(node: ast.AST, task: TaskSpec) -> None:
    match node:
        case ast.Import(names=aliases, lineno=line):
            for alias in aliases:
                _check_module(alias.name, line, task)
        case ast.ImportFrom(level=level, lineno=line) if level:
            raise Screened(f"line {line}: a program is one file, so it cannot import from `.`")
        case ast.ImportFrom(module=str(module), lineno=line):
            _check_module(module, line, task)
        case ast.Name(id=name, lineno=line) | ast.Attribute(attr=name, lineno=line):
            if name in FORBIDDEN_NAMES:
                raise Screened(f"line {line}: `{name}` may not be used: write an import statement")


def _check_module(module: str, line: int, task: TaskSpec) -> None:
    allowed = any(
        module == name or module.startswith(f"{name}.") for name in (ALWAYS_ALLOWED, *task.imports)
    )
    if not allowed:
        raise Screened(
            f"line {line}: `{module}` may not be imported; allowed are {', '.join(task.imports)}"
        )


def _check_entry(tree: ast.Module, entry: str) -> None:
    defined = [node.name for node in tree.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))]
    if entry in defined:
        return
    found = f"it defines {', '.join(defined)}" if defined else "it defines no function"
    raise Screened(f"the program must define `{entry}` at module level with `def`; {found}")
