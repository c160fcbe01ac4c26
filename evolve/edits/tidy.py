"""Bloat control: a child keeps nothing that it does not use and defines nothing twice.

Without it a prototype's programs doubled in size, and choosing cost more than training.
"""

from __future__ import annotations

import ast
from functools import lru_cache

from evolve.edits.tree import functions_of, names_read
from evolve.program import program_id
from evolve.scopes import bound_names

PURE_MODULES = frozenset(("np", "numpy", "math"))
IMPURE = frozenset(("random", "seterr", "shuffle", "put", "copyto", "fill_diagonal", "at", "place"))


def tidy(tree: ast.Module, entry: str) -> ast.Module:
    """Tidy a program in place and give it back; what it computes stays the same."""
    for function in functions_of(tree).values():
        _drop_unused_variables(function)
    _reuse_equal_helpers(tree, entry)
    _inline_trivial_helpers(tree, entry)
    _drop_unreachable(tree, entry)
    return tree


def _reuse_equal_helpers(tree: ast.Module, entry: str) -> None:
    """Of helpers that differ in name only, keep the first, until none is left."""
    while True:
        seen: dict[str, str] = {}
        for function in functions_of(tree).values():
            if function.name == entry:
                continue
            key = function_key(function)
            if key in seen and not _rebound(tree, function.name):
                tree.body.remove(function)
                rename(tree, {function.name: seen[key]})
                break
            seen.setdefault(key, function.name)
        else:
            return


def rename(tree: ast.AST, names: dict[str, str]) -> None:
    """Rename module-level functions wherever they are read or defined, in place."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            node.id = names.get(node.id, node.id)
        elif isinstance(node, ast.FunctionDef):
            node.name = names.get(node.name, node.name)


def function_key(function: ast.FunctionDef) -> str:
    """Give a text that is equal for functions that differ in nothing but their names."""
    return _key_of(ast.unparse(function))


@lru_cache(maxsize=1024)
def _key_of(text: str) -> str:
    """Hash the source of a function apart from its name."""
    twin = ast.parse(text)
    definition = twin.body[0]
    assert isinstance(definition, ast.FunctionDef)
    rename(twin, {definition.name: "helper_of_any_name"})
    return program_id(ast.unparse(twin))


def _rebound(tree: ast.Module, name: str) -> bool:
    """Tell whether a name is more than one module-level function."""
    stores = [
        node
        for node in ast.walk(tree)
        if (isinstance(node, ast.Name) and node.id == name and not isinstance(node.ctx, ast.Load))
        or (isinstance(node, ast.arg) and node.arg == name)
    ]
    return bool(stores)


def _inline_trivial_helpers(tree: ast.Module, entry: str) -> None:
    """Put the expression of a one-line helper where it is called, if names and order allow it."""
    for name, function in functions_of(tree).items():
        value = _one_line(function)
        if name == entry or value is None or _rebound(tree, name):
            continue
        uses = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id == name]
        calls = [
            node
            for node in ast.walk(tree)
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == name
            and _fits(function, node)
        ]
        if len(uses) == len(calls) == 1 and not _shadowed(tree, function, value):
            _Inliner(function, value).visit(tree)


class _Inliner(ast.NodeTransformer):
    def __init__(self, function: ast.FunctionDef, value: ast.expr) -> None:
        self.function, self.value = function, value

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if not isinstance(node.func, ast.Name) or node.func.id != self.function.name:
            return node
        names = [argument.arg for argument in self.function.args.args]
        values = dict(zip(names, node.args, strict=True))
        fresh = ast.parse(ast.unparse(self.value), mode="eval").body
        return _Substitution(values).visit(fresh)  # type: ignore[no-any-return]


class _Substitution(ast.NodeTransformer):
    def __init__(self, values: dict[str, ast.expr]) -> None:
        self.values = values

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return self.values.get(node.id, node)


def _one_line(function: ast.FunctionDef) -> ast.expr | None:
    """Give the expression of a helper that is `return expression` and binds no name in it."""
    body = [
        part
        for part in function.body
        if not (isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant))
    ]
    plain = function.args
    special = plain.posonlyargs or plain.kwonlyargs or plain.vararg or plain.kwarg or plain.defaults
    if len(body) != 1 or not isinstance(body[0], ast.Return) or special or function.decorator_list:
        return None
    value = body[0].value
    binding = (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.NamedExpr)
    if value is None or any(isinstance(node, binding) for node in ast.walk(value)):
        return None
    return value


def _fits(function: ast.FunctionDef, node: ast.Call) -> bool:
    """Tell whether each argument is a name or a number: these can be put in any place, any times."""
    return (
        not node.keywords
        and len(node.args) == len(function.args.args)
        and all(isinstance(argument, (ast.Name, ast.Constant)) for argument in node.args)
    )


def _shadowed(tree: ast.Module, function: ast.FunctionDef, value: ast.expr) -> bool:
    """Tell whether a free name of the helper means something else where it is called."""
    free = names_read(value) - {argument.arg for argument in function.args.args}
    caller = next(
        (
            other
            for other in tree.body
            if other is not function and function.name in names_read(other)
        ),
        None,
    )
    if not isinstance(caller, ast.FunctionDef):
        return True
    inner = {node.arg for node in ast.walk(caller) if isinstance(node, ast.arg)}
    for node in ast.walk(caller):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            inner.add(node.id)
    return bool(free & inner)


def _drop_unused_variables(function: ast.FunctionDef) -> None:
    """Drop assignments of pure expressions to names that nothing reads, until none is left."""
    while True:
        read = {
            node.id
            for node in ast.walk(function)
            if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Store)
        }
        kept = [part for part in function.body if not _is_unused(part, read)]
        if len(kept) == len(function.body) or not kept:
            return
        function.body = kept


def _is_unused(statement: ast.stmt, read: set[str]) -> bool:
    if not isinstance(statement, ast.Assign) or not _is_pure(statement.value):
        return False
    return all(isinstance(target, ast.Name) for target in statement.targets) and not (
        bound_names([statement]) & read
    )


def _is_pure(value: ast.expr) -> bool:
    """Tell whether an expression only computes: no call but numpy's and math's functions."""
    for node in ast.walk(value):
        if isinstance(node, (ast.NamedExpr, ast.Await, ast.Yield, ast.YieldFrom)):
            return False
        if isinstance(node, ast.Attribute) and node.attr in IMPURE:
            return False
        if isinstance(node, ast.Call):
            func = node.func
            if not (
                isinstance(func, ast.Attribute)
                and isinstance(func.value, ast.Name)
                and func.value.id in PURE_MODULES
            ):
                return False
    return True


def _drop_unreachable(tree: ast.Module, entry: str) -> None:
    """Drop module-level helpers, constants and imports that the entry point does not lead to."""
    needed, reach = {entry}, list(tree.body)
    while True:
        live = [node for node in reach if _is_live(node, needed)]
        names = set().union(*(names_read(node) for node in live), needed)
        if names == needed:
            break
        needed = names
    tree.body = [_narrowed_import(node, needed) for node in reach if _is_live(node, needed)]


def _is_live(node: ast.stmt, needed: set[str]) -> bool:
    """Tell whether a statement is used, or does more than define."""
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return node.name in needed
    if isinstance(node, ast.ImportFrom) and node.module == "__future__":
        return True
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return bool(bound_names([node]) & needed)
    if isinstance(node, ast.Assign) and all(isinstance(item, ast.Name) for item in node.targets):
        return bool(bound_names([node]) & needed) or not _is_pure(node.value)
    return True


def _narrowed_import(node: ast.stmt, needed: set[str]) -> ast.stmt:
    if isinstance(node, (ast.Import, ast.ImportFrom)) and len(node.names) > 1:
        used = [
            alias
            for alias in node.names
            if (alias.asname or alias.name.split(".")[0]) in needed
            or (isinstance(node, ast.ImportFrom) and node.module == "__future__")
        ]
        node.names = used or node.names
    return node
