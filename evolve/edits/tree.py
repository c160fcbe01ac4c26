"""Syntax trees as operators edit them: numbered nodes, names read and bound, clean source out."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterable, Iterator
from typing import TypeVar

from evolve.scopes import bound_names

BUILTINS = frozenset(dir(builtins))
LOOPS = (
    *(ast.For, ast.While, ast.AsyncFor),
    *(ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.Lambda),
)
"""Where code runs more than once; a lambda may be called from anywhere."""

Node = TypeVar("Node", bound=ast.AST)


class NoEdit(Exception):
    """The program has no place for this edit; the message says what it lacks."""


def numbered(tree: ast.AST) -> list[ast.AST]:
    """Give all nodes in a fixed order: the number of a node is its place in this list."""
    return list(ast.walk(tree))


def replace_node(tree: Node, old: ast.AST, new: ast.AST) -> Node:
    """Put `new` where the node `old` (by identity) stands, in place."""
    for parent in ast.walk(tree):
        for field, value in ast.iter_fields(parent):
            if value is old:
                setattr(parent, field, new)
                return tree
            if isinstance(value, list):
                for position, item in enumerate(value):
                    if item is old:
                        value[position] = new
                        return tree
    raise ValueError("the node is not part of this tree")


def parents_of(tree: ast.AST) -> dict[ast.AST, ast.AST]:
    """Map each node to the one above it."""
    return {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}


def ancestors(node: ast.AST, parents: dict[ast.AST, ast.AST]) -> Iterator[ast.AST]:
    """Walk from a node's parent up to the module."""
    while node in parents:
        node = parents[node]
        yield node


def functions_of(tree: ast.Module) -> dict[str, ast.FunctionDef]:
    """Map the names of module-level functions to them."""
    return {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}


def parameters_of(function: ast.FunctionDef) -> list[str]:
    """Give the names of a function's plain parameters, in order."""
    plain = function.args.posonlyargs + function.args.args + function.args.kwonlyargs
    return [argument.arg for argument in plain]


def names_read(node: ast.AST) -> set[str]:
    """Give the names that a node loads, those of inner scopes too (more than needed, never less)."""
    return {
        sub.id
        for sub in ast.walk(node)
        if isinstance(sub, ast.Name) and not isinstance(sub.ctx, ast.Store)
    }


def all_names(tree: ast.AST) -> set[str]:
    """Give every identifier of a tree that a new name must not meet."""
    names = bound_names([tree]) | names_read(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            names.add(node.arg)
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.alias):
            names.add((node.asname or node.name).split(".")[0])
        elif isinstance(node, ast.Name):
            names.add(node.id)
    return names


def fresh_name(wish: str, taken: Iterable[str]) -> str:
    """Give `wish`, or `wish2`, `wish3`, ..., whichever is free and no builtin."""
    used = {*taken, *BUILTINS}
    stem = wish.rstrip("0123456789").rstrip("_") or "part"
    count, name = 2, wish
    while name in used:
        name, count = f"{stem}{count}", count + 1
    return name


def call(name: str, arguments: Iterable[ast.expr | str]) -> ast.Call:
    """Build `name(argument, ...)`; a string is the name of a variable."""
    parts = [ast.Name(item, ast.Load()) if isinstance(item, str) else item for item in arguments]
    return ast.Call(func=expression(name), args=parts, keywords=[])


def expression(text: str) -> ast.expr:
    """Parse one expression."""
    return ast.parse(text, mode="eval").body


def docstring_of(node: ast.Module | ast.FunctionDef) -> str:
    """Give the first sentence of a docstring, on one line, or ""."""
    text = ast.get_docstring(node) or ""
    return " ".join(text.split("\n\n")[0].split())


def render(tree: ast.Module) -> str:
    """Write a tree as readable source: imports, constants, helpers, blank lines as people set them."""
    ast.fix_missing_locations(tree)
    parts: list[str] = []
    before: ast.stmt | None = None
    for node in tree.body:
        text = ast.unparse(ast.Module([node], []))  # as a module: docstrings in three quotes
        if before is not None:
            parts.append("\n" * _gap(before, node))
        parts.append(text + "\n")
        before = node
    return "".join(parts)


def _gap(before: ast.stmt, node: ast.stmt) -> int:
    """Give the number of blank lines between two statements of a module."""
    large = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    if isinstance(before, large) or isinstance(node, large):
        return 2
    imports = (ast.Import, ast.ImportFrom)
    if isinstance(before, ast.Expr) or isinstance(before, imports) != isinstance(node, imports):
        return 1
    return 0
