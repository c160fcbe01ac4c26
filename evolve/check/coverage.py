"""Coverage: the lines of a program that no probe reaches, by flags that it sets on its way.

The program is rewritten outside the wall and run behind it. It may set its flags as it likes: what
comes back is a claim about itself, is believed for a report and decides nothing.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

FLAGS = "EVOLVE_REACHED"
"""The module-level variable of a marked program: a list with True for each statement that began."""

DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
# Statements that do nothing of their own, or of which the statements in them tell.
NOT_COUNTED = (
    *(ast.Import, ast.ImportFrom, *DEFINITIONS),
    *(ast.Pass, ast.Global, ast.Nonlocal, ast.Try, ast.TryStar),
)

Range = tuple[int, int]
"""First and last line, from 1."""


@dataclass(frozen=True, slots=True)
class Marked:
    """A program that flags its statements.

    statements: the lines of each, in the flags' order. definitions: lines with `def` or `class`.
    """

    source: str
    statements: tuple[Range, ...]
    definitions: frozenset[int]


def marked(source: str) -> Marked | None:
    """Rewrite a program so that it flags every counted statement that it begins.

    Docstrings, imports, `def` and `class` lines, `try:`, `pass` and declarations are not counted;
    of a compound statement its first line is. Gives None for what is nested too deeply.
    Raises: SyntaxError.
    """
    tree = ast.parse(source)
    definitions = frozenset(node.lineno for node in ast.walk(tree) if isinstance(node, DEFINITIONS))
    statements: list[Range] = []
    try:
        for node in list(ast.walk(tree)):
            for field in ("body", "orelse", "finalbody"):
                block = getattr(node, field, None)
                if isinstance(block, list):
                    setattr(node, field, _flagged(block, statements))
        _first_real(tree, ast.parse(f"{FLAGS} = [False] * {len(statements)}").body)
        text = ast.unparse(ast.fix_missing_locations(tree))
    except RecursionError:
        return None
    return Marked(text, tuple(statements), definitions)


def unreached(program: Marked, observed: Iterable[Any]) -> tuple[Range, ...] | None:
    """Give the ranges of lines that no run reached. observed: the flags that each run left.

    A range goes on over lines that hold nothing to count, but over no definition. None if a run
    left no flags that make sense, so that it may have reached anything.
    """
    reached: set[int] = set()
    for flags in observed:
        if not isinstance(flags, list) or len(flags) != len(program.statements):
            return None
        for flag, lines in zip(flags, program.statements, strict=True):
            if flag is True:
                reached.update(_lines(lines))
    counted = sorted({line for lines in program.statements for line in _lines(lines)})
    ranges: list[Range] = []
    for before, line in zip([0, *counted], counted, strict=False):
        if line in reached:
            continue
        same_block = program.definitions.isdisjoint(range(before + 1, line + 1))
        if same_block and ranges and ranges[-1][1] == before:
            ranges[-1] = ranges[-1][0], line
        else:
            ranges.append((line, line))
    return tuple(ranges)


def written(ranges: Iterable[Range]) -> str:
    """Write ranges as people do: `14-16, 22`."""
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges)


def _flagged(block: list[ast.stmt], statements: list[Range]) -> list[ast.stmt]:
    """Put a flag before each counted statement of a block; note the lines of each."""
    flagged: list[ast.stmt] = []
    for statement in block:
        if not isinstance(statement, NOT_COUNTED) and not _is_constant(statement):
            flagged += ast.parse(f"{FLAGS}[{len(statements)}] = True").body
            statements.append(_own_lines(statement))
        flagged.append(statement)
    return flagged


def _is_constant(statement: ast.stmt) -> bool:
    """Tell whether a statement is a docstring, or does as little as one."""
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _own_lines(statement: ast.stmt) -> Range:
    """Give the lines of a statement; of one with a block, the line that opens it."""
    if hasattr(statement, "body") or hasattr(statement, "cases"):
        return statement.lineno, statement.lineno
    return statement.lineno, statement.end_lineno or statement.lineno


def _first_real(tree: ast.Module, statements: list[ast.stmt]) -> None:
    """Put statements before all others of a module but those that must come first in it."""
    at = 0
    for node in tree.body:
        future = isinstance(node, ast.ImportFrom) and node.module == "__future__"
        if not future and not _is_constant(node):
            break
        at += 1
    tree.body[at:at] = statements


def _lines(lines: Range) -> range:
    first, last = lines
    return range(first, last + 1)
