"""Small edits of one program: another operator, function or statement, a wrapped expression."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import numpy as np

from evolve.edits.sites import Probe
from evolve.edits.tree import (
    NoEdit,
    expression,
    names_read,
    numbered,
    parents_of,
    replace_node,
)
from evolve.scopes import bound_names

ARITHMETIC: dict[type[ast.operator], tuple[type[ast.operator], ...]] = {
    ast.Add: (ast.Sub, ast.Mult),
    ast.Sub: (ast.Add, ast.Mult),
    ast.Mult: (ast.Add, ast.Sub),
    ast.Div: (ast.Mult,),  # never the other way: it makes infinities
    ast.BitAnd: (ast.BitOr,),
    ast.BitOr: (ast.BitAnd,),
}
COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.Gt,
    ast.Gt: ast.Lt,
    ast.LtE: ast.GtE,
    ast.GtE: ast.LtE,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
}
FAMILIES = (
    ("mean", "max", "min", "std"),
    ("argmax", "argmin"),
    ("maximum", "minimum"),
    ("log", "sqrt", "log1p", "tanh"),
    ("abs", "square"),
    ("floor", "ceil"),
)
"""Methods and functions that take the same arguments and give the same shape."""
NUMPY_FAMILIES = (("mean", "median", "max", "min", "std"), ("cumsum", "cumprod"))
BUILTIN_FAMILIES = (("max", "min"), ("any", "all"))
ONLY_METHODS = frozenset(("mean", "max", "min", "std", "argmax", "argmin"))

WRAPS = (
    "np.sqrt(np.abs({x}))",
    "np.square({x})",
    "np.tanh({x})",
    "np.log1p(np.abs({x}))",
    "np.abs({x})",
    "0.5 * ({x})",
)
"""Wraps that are finite wherever their argument is."""
PLAIN_WRAPS = ("abs({x})", "0.5 * ({x})", "({x}) ** 2", "abs({x}) ** 0.5")
"""The same for Python's own numbers, in programs without numpy."""


def swap(tree: ast.Module, probe: Probe | None, rng: np.random.Generator) -> None:
    """Exchange one operator, comparison or function for another of its family, in place.

    Arithmetic is touched only where the probe saw floats or bools: indices and lists stay whole.
    Raises: NoEdit.
    """
    places = [*_operators(tree, probe), *_comparisons(tree), *_functions(tree)]
    if not places:
        raise NoEdit("it has no operator or function that belongs to a family")
    node, choices = places[int(rng.integers(len(places)))]
    choice = choices[int(rng.integers(len(choices)))]
    match node:
        case ast.BinOp():
            node.op = choice()  # type: ignore[operator]
        case ast.Compare():
            node.ops = [choice()]  # type: ignore[operator]
        case ast.Attribute():
            node.attr = str(choice)
        case ast.Name():
            node.id = str(choice)


def wrap(tree: ast.Module, probe: Probe, rng: np.random.Generator) -> None:
    """Wrap one side of a sum or product in an elementary function, in place.

    Only there: a monotone wrap of what is sorted next changes nothing. Raises: NoEdit.
    """
    nodes = numbered(tree)
    parents = parents_of(tree)
    wraps = WRAPS if _has_numpy(tree) else PLAIN_WRAPS
    places = [
        nodes[site.number]
        for site in probe.sites
        if site.kind == "f" and _is_term(parents.get(nodes[site.number]))
    ]
    if not places:
        raise NoEdit("it has no sum or product of floats")
    place = places[int(rng.integers(len(places)))]
    text = wraps[int(rng.integers(len(wraps)))]
    replace_node(tree, place, expression(text.format(x=ast.unparse(place))))


def drop_statement(tree: ast.Module, rng: np.random.Generator) -> None:
    """Drop one statement of a function that is not its last, in place. Raises: NoEdit."""
    places = [
        (block, at)
        for block in _blocks(tree)
        for at, statement in enumerate(block)
        if not isinstance(statement, (ast.Return, ast.FunctionDef, ast.Import, ast.ImportFrom))
        and not _is_definition_read_later(block, at)
        and len(block) > 1
    ]
    if not places:
        raise NoEdit("it has no statement that can go")
    block, at = places[int(rng.integers(len(places)))]
    del block[at]


def double_statement(tree: ast.Module, rng: np.random.Generator) -> None:
    """Do one statement twice, in place: those that change what they read. Raises: NoEdit."""
    places = [
        (block, at)
        for block in _blocks(tree)
        for at, statement in enumerate(block)
        if isinstance(statement, ast.AugAssign) or _reads_what_it_binds(statement)
    ]
    if not places:
        raise NoEdit("it has no statement that changes what it reads")
    block, at = places[int(rng.integers(len(places)))]
    twin = ast.parse(ast.unparse(block[at])).body[0]
    block.insert(at, twin)


def _operators(tree: ast.Module, probe: Probe | None) -> Iterator[tuple[ast.AST, tuple[type, ...]]]:
    nodes = numbered(tree)
    if probe is not None and probe.sites:
        numbers = [site.number for site in probe.sites if site.kind in ("f", "b")]
        places = [nodes[number] for number in numbers]
    else:
        places = nodes
    for node in places:
        if isinstance(node, ast.BinOp) and type(node.op) in ARITHMETIC:
            yield node, ARITHMETIC[type(node.op)]


def _comparisons(tree: ast.Module) -> Iterator[tuple[ast.AST, tuple[type, ...]]]:
    """Give comparisons that no loop depends on: the other way round it would never end."""
    guards = {
        id(sub)
        for node in ast.walk(tree)
        if isinstance(node, ast.While)
        for sub in ast.walk(node.test)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare) and len(node.ops) == 1 and id(node) not in guards:
            other = COMPARISONS.get(type(node.ops[0]))
            if other is not None:
                yield node, (other,)


def _functions(tree: ast.Module) -> Iterator[tuple[ast.AST, tuple[str, ...]]]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        families: tuple[tuple[str, ...], ...]
        match node.func:
            case ast.Attribute(value=ast.Name(id="np" | "numpy"), attr=name):
                families = (*NUMPY_FAMILIES, *FAMILIES)
            case ast.Attribute(attr=name):
                families = tuple(family for family in FAMILIES if name in ONLY_METHODS)
            case ast.Name(id=name):
                families = BUILTIN_FAMILIES
            case _:
                continue
        for family in families:
            if name in family:
                yield node.func, tuple(other for other in family if other != name)
                break


def _is_term(node: ast.AST | None) -> bool:
    return isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Sub, ast.Mult))


def _has_numpy(tree: ast.Module) -> bool:
    return any(
        isinstance(node, ast.Import) and any(alias.asname == "np" for alias in node.names)
        for node in tree.body
    )


def _blocks(tree: ast.Module) -> list[list[ast.stmt]]:
    """Give the lists of statements inside functions."""
    found = []
    for function in tree.body:
        if not isinstance(function, ast.FunctionDef):
            continue
        for node in ast.walk(function):
            for field in ("body", "orelse", "finalbody"):
                block = getattr(node, field, None)
                if isinstance(block, list) and block:
                    found.append(block)
    return found


def _is_definition_read_later(block: list[ast.stmt], at: int) -> bool:
    """Tell whether dropping a statement is sure to leave a name unbound."""

    statement = block[at]
    if isinstance(statement, ast.AugAssign) or _reads_what_it_binds(statement):
        return False
    names = bound_names([statement])
    later = set().union(*(names_read(other) for other in block[at + 1 :]), set())
    earlier = bound_names(block[:at])
    return bool(names & later - earlier)


def _reads_what_it_binds(statement: ast.stmt) -> bool:

    if not isinstance(statement, ast.Assign):
        return False
    targets = {
        sub.id
        for target in statement.targets
        for sub in ast.walk(target)
        if isinstance(sub, ast.Name)
    }
    return bool(targets & names_read(statement.value))
