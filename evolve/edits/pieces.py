"""Pieces: functions with all that they need, cut from one program and put into another.

A transplant is never a bare expression: the backward slice of an expression (what its value
depends on) becomes a helper, and a call of it stands at the new place. So every child is
self-contained source, and nothing but source is stored.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from evolve.edits.sites import Site
from evolve.edits.tidy import function_key, rename
from evolve.edits.tree import (
    BUILTINS,
    NoEdit,
    all_names,
    fresh_name,
    functions_of,
    names_read,
    numbered,
    parameters_of,
)
from evolve.scopes import bound_names

SIMPLE = (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Return, ast.Expr)
MUTATORS = frozenset(
    (
        *("append", "extend", "insert", "pop", "popleft", "remove", "clear", "sort", "reverse"),
        *("update", "add", "discard", "setdefault", "shuffle", "fill", "put", "resize"),
    )
)
SHOWN = 60
"""Characters of an expression quoted in a docstring."""


@dataclass(frozen=True)
class Piece:
    """Module-level statements in order, among them the function `name`.

    parameters: of that function, by which it is also called.
    """

    name: str
    parameters: tuple[str, ...]
    statements: tuple[ast.stmt, ...]


def piece_of(source: str, name: str) -> Piece:
    """Make a piece of a whole module: one of its functions with what it needs. Raises: NoEdit."""
    return _piece(ast.parse(source), name)


def slice_at(source: str, site: Site, allowed: Iterable[str], wish: str) -> Piece:
    """Cut the backward slice of an expression as a function called `wish`.

    site: directly in a simple statement of a module-level function. allowed: parameters that the
    new function may have. Raises: NoEdit where the value depends on more than these.
    """
    tree = ast.parse(source)
    function = functions_of(tree).get(site.function)
    value = numbered(tree)[site.number]
    if function is None or not isinstance(value, ast.expr):
        raise NoEdit("the expression stands in no function of the module")
    place = _statement_with(function, value)
    body, needed = _backwards(function.body[:place], names_read(value))
    parameters = tuple(name for name in parameters_of(function) if name in needed)
    loose = needed - {*parameters} - _module_names(tree) - BUILTINS - _inner_names([value, *body])
    if loose or not {*parameters} <= {*allowed}:
        raise NoEdit("the value depends on more than the inputs")
    text = " ".join(ast.unparse(value).split())
    shown = text if len(text) <= SHOWN else text[: SHOWN - 3] + "..."
    note = ast.Expr(ast.Constant(f"Taken from another program: {shown}"))
    name = fresh_name(wish, all_names(tree))
    helper = ast.parse(f"def {name}({', '.join(parameters)}):\n    pass").body[0]
    assert isinstance(helper, ast.FunctionDef)
    helper.body = [note, *body, ast.Return(value)]
    tree.body.append(helper)
    return _piece(tree, name)


def graft(tree: ast.Module, piece: Piece) -> str:
    """Put a piece into a program in place, and give the name that its function has there.

    What the program already has is used again; names that are taken are changed in the piece.
    Raises: NoEdit where a name of an import means something else.
    """
    block = ast.parse(ast.unparse(ast.Module(list(piece.statements), [])))
    names = _new_names(tree, block)
    arguments = {node.arg for node in ast.walk(block) if isinstance(node, ast.arg)}
    changed = {old: new for old, new in names.items() if old != new}
    if arguments & changed.keys():
        raise NoEdit("a parameter of the piece has the name of a helper")
    present = {ast.dump(statement) for statement in tree.body}
    rename(block, changed)
    imports = [part for part in block.body if isinstance(part, (ast.Import, ast.ImportFrom))]
    known = functions_of(tree)
    others = [
        part
        for part in block.body
        if part not in imports
        and ast.dump(part) not in present
        and not (isinstance(part, ast.FunctionDef) and part.name in known)
    ]
    _insert_imports(tree, imports)
    at = next(
        (
            i
            for i, part in enumerate(tree.body)
            if isinstance(part, (ast.FunctionDef, ast.ClassDef))
        ),
        len(tree.body),
    )
    tree.body[at:at] = others
    return names.get(piece.name, piece.name)


def _piece(tree: ast.Module, name: str) -> Piece:
    """Collect a function and, in order, the module-level statements that it leads to."""
    main = functions_of(tree).get(name)
    if main is None:
        raise NoEdit(f"it has no function {name}")
    needed: set[str] = {name}
    while True:
        chosen = [part for part in tree.body if bound_names([part]) & needed]
        more = set().union(*(names_read(part) for part in chosen), needed)
        if more == needed:
            break
        needed = more
    plain = (ast.FunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom, ast.Assign)
    if any(not isinstance(part, plain) for part in chosen):
        raise NoEdit("it depends on statements of its module that run only once")
    return Piece(name, tuple(parameters_of(main)), tuple(chosen))


def _statement_with(function: ast.FunctionDef, value: ast.expr) -> int:
    for place, statement in enumerate(function.body):
        if any(node is value for node in ast.walk(statement)):
            if not isinstance(statement, SIMPLE):
                break
            return place
    raise NoEdit("the expression stands in a branch or loop")


def _backwards(before: Sequence[ast.stmt], needed: set[str]) -> tuple[list[ast.stmt], set[str]]:
    """Give the statements that these names depend on, and the names that stay unbound."""
    needed = set(needed)
    body: list[ast.stmt] = []
    for statement in reversed(before):
        binds = bound_names([statement]) & needed
        if not binds and not _changes(statement) & needed:
            continue
        if any(isinstance(node, (ast.Return, ast.Yield)) for node in ast.walk(statement)):
            raise NoEdit("the value depends on a branch that may return")
        body.insert(0, statement)
        if _rebinds_plainly(statement):
            needed -= binds
        needed |= names_read(statement)
    return body, needed


def _rebinds_plainly(statement: ast.stmt) -> bool:
    """Tell whether what a statement binds does not depend on the old value."""
    if isinstance(statement, ast.FunctionDef):
        return True
    if not isinstance(statement, ast.Assign):
        return False
    stores = (ast.Name, ast.Tuple, ast.List, ast.expr_context, ast.Starred)
    return all(isinstance(node, stores) for part in statement.targets for node in ast.walk(part))


def _changes(statement: ast.stmt) -> set[str]:
    """Give the names whose values a statement may change without binding them."""
    names: set[str] = set()
    for node in ast.walk(statement):
        if (
            isinstance(node, (ast.Subscript, ast.Attribute)) and isinstance(node.ctx, ast.Store)
        ) or (isinstance(node, ast.Expr) and not isinstance(node.value, ast.Constant)):
            names |= names_read(node.value)
        elif _is_mutator(node):
            names |= names_read(node)
    return names


def _is_mutator(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return False
    return node.func.attr in MUTATORS


def _module_names(tree: ast.Module) -> set[str]:
    return bound_names(tree.body)


def _inner_names(nodes: Iterable[ast.AST]) -> set[str]:
    """Give names bound inside: targets of comprehensions, parameters of lambdas, loop variables."""
    names: set[str] = set()
    for node in nodes:
        for sub in ast.walk(node):
            if isinstance(sub, ast.arg):
                names.add(sub.arg)
            elif isinstance(sub, ast.Name) and isinstance(sub.ctx, ast.Store):
                names.add(sub.id)
    return names


def _new_names(tree: ast.Module, block: ast.Module) -> dict[str, str]:
    """Map the names that a piece defines to the ones they get in a program."""
    taken = all_names(tree) | all_names(block)
    here = all_names(tree)
    present = {ast.dump(statement) for statement in tree.body}
    own = {function_key(function): name for name, function in functions_of(tree).items()}
    names: dict[str, str] = {}
    for part in block.body:
        if isinstance(part, (ast.Import, ast.ImportFrom)) or ast.dump(part) in present:
            continue
        for name in sorted(bound_names([part])):  # sorted: sets differ from process to process
            if isinstance(part, ast.FunctionDef):
                twin = _equal_helper(part, own, block)
                if twin is not None:
                    names[name] = twin
                    continue
            names[name] = fresh_name(name, taken) if name in here else name
            taken.add(names[name])
    return names


def _equal_helper(part: ast.FunctionDef, own: dict[str, str], block: ast.Module) -> str | None:
    """Find a function of the program that does the same and leans on no other helper."""
    helpers = {node.name for node in block.body if isinstance(node, ast.FunctionDef)}
    if names_read(part) & (helpers - {part.name}):
        return None  # equal text, but its helpers may mean something else there
    return own.get(function_key(part))


def _insert_imports(tree: ast.Module, imports: Sequence[ast.stmt]) -> None:
    present = {
        ast.dump(alias): getattr(part, "module", None)
        for part in tree.body
        if isinstance(part, (ast.Import, ast.ImportFrom))
        for alias in part.names
    }
    taken = bound_names(tree.body)
    at = next(
        (
            i
            for i, part in enumerate(tree.body)
            if not (isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant))
            and not (isinstance(part, ast.ImportFrom) and part.module == "__future__")
        ),
        len(tree.body),
    )
    for part in reversed(imports):
        assert isinstance(part, (ast.Import, ast.ImportFrom))
        module = getattr(part, "module", None)
        new = [alias for alias in part.names if present.get(ast.dump(alias), "absent") != module]
        if any((alias.asname or alias.name.split(".")[0]) in taken for alias in new):
            raise NoEdit("an import of the piece has a name that is taken")
        if new:
            part.names = new
            tree.body.insert(at, part)
