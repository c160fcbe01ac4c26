"""Parts of one program in the place of another's: helpers, statements and expressions.

This is what is left where nothing is known of types; where the probe saw them, expressions are
exchanged for others of their type only.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from evolve.edits.pieces import graft, piece_of, slice_at
from evolve.edits.sites import Probe, Site
from evolve.edits.tidy import function_key
from evolve.edits.tree import (
    BUILTINS,
    NoEdit,
    call,
    functions_of,
    names_read,
    numbered,
    parameters_of,
    replace_node,
)
from evolve.scopes import bound_names

HELPERS, COPIED_STATEMENTS = 0.2, 0.2
"""How often a helper is exchanged or a statement copied; else it is an expression."""
VALUES = (ast.Constant, ast.BinOp, ast.UnaryOp, ast.Call, ast.Subscript, ast.IfExp, ast.Compare)
STATEMENTS = (ast.Assign, ast.AugAssign, ast.If)


def exchange(
    tree: ast.Module,
    source: str,
    probe: Probe | None,
    donor_probe: Probe | None,
    entry: str,
    rng: np.random.Generator,
) -> None:
    """Put a helper, a statement or an expression of the donor into a program, in place.

    source: of the donor. Raises: NoEdit where nothing of the donor could stand in the program.
    """
    donor = ast.parse(source)
    way = rng.random()
    if way < HELPERS:
        _exchange_helper(tree, donor, entry, rng)
    elif way < HELPERS + COPIED_STATEMENTS:
        _insert_statement(tree, donor, rng)
    else:
        _exchange_expression(tree, source, probe, donor_probe, rng)


def _exchange_helper(
    tree: ast.Module, donor: ast.Module, entry: str, rng: np.random.Generator
) -> None:
    """Call a helper of the donor where the program calls one with as many parameters."""
    pairs = [
        (mine.name, theirs.name)
        for mine in functions_of(tree).values()
        for theirs in functions_of(donor).values()
        if entry not in (mine.name, theirs.name)
        and len(mine.args.args) == len(theirs.args.args)
        and function_key(mine) != function_key(theirs)
    ]
    if not pairs:
        raise NoEdit("the two programs have no helpers of one kind")
    mine, theirs = pairs[int(rng.integers(len(pairs)))]
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id == mine]
    name = graft(tree, piece_of(ast.unparse(donor), theirs))
    for node in calls:
        node.id = name


def _insert_statement(tree: ast.Module, donor: ast.Module, rng: np.random.Generator) -> None:
    """Copy a statement of the donor to a place where all that it reads is bound."""
    places = []
    for theirs in _all_functions(donor):
        for statement in theirs.body:
            if not isinstance(statement, STATEMENTS) or _leaves(statement):
                continue
            for mine in _all_functions(tree):
                for at in range(1, len(mine.body)):
                    known = _known_names(tree, mine, at)
                    used = bound_names([statement]) & known
                    if names_read(statement) <= known and used:
                        places.append((mine, at, statement))
    if not places:
        raise NoEdit("no statement of the donor can stand in the program")
    mine, at, statement = places[int(rng.integers(len(places)))]
    mine.body.insert(at, _copied(statement))


def _exchange_expression(
    tree: ast.Module,
    source: str,
    probe: Probe | None,
    donor_probe: Probe | None,
    rng: np.random.Generator,
) -> None:
    """Replace an expression by one of the donor's of the same type or, if unknown, same syntax.

    What it depends on comes along: as it is where all names are bound, else as a helper.
    """
    theirs = list(_expressions(ast.parse(source)))
    mine = list(_expressions(tree))
    types, donor_types = _types(probe), _types(donor_probe)
    typed = [
        (here, there)
        for here in mine
        for there in theirs
        if here.number in types and types[here.number] == donor_types.get(there.number)
    ]
    pairs = typed or [
        (here, there) for here in mine for there in theirs if type(here.node) is type(there.node)
    ]
    pairs = [(here, there) for here, there in pairs if ast.dump(here.node) != ast.dump(there.node)]
    if not pairs:
        raise NoEdit("no expression of the donor can stand in the program")
    here, there = pairs[int(rng.integers(len(pairs)))]
    known = _known_names(tree, here.function, here.at)
    if names_read(there.node) <= known:
        new = ast.parse(ast.unparse(there.node), mode="eval").body
        replace_node(tree, here.node, new)
        return
    site = Site(there.number, there.function.name, "", (), True)
    piece = slice_at(source, site, parameters_of(here.function), "part")
    replace_node(tree, here.node, call(graft(tree, piece), piece.parameters))


@dataclass(frozen=True)
class _Place:
    """An expression with its number, in statement `at` of a function."""

    function: ast.FunctionDef
    at: int
    number: int
    node: ast.expr


def _types(probe: Probe | None) -> dict[int, object]:
    return {} if probe is None else {site.number: site.type for site in probe.sites}


def _expressions(tree: ast.Module) -> Iterator[_Place]:
    """Give all values in functions and methods."""
    numbers = {id(node): number for number, node in enumerate(numbered(tree))}
    for function in _all_functions(tree):
        for at, statement in enumerate(function.body):
            if isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
                continue
            if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
                continue
            for node in ast.walk(statement):
                if isinstance(node, VALUES) and isinstance(getattr(node, "ctx", LOAD), ast.Load):
                    yield _Place(function, at, numbers[id(node)], node)


LOAD = ast.Load()


def _all_functions(tree: ast.Module) -> list[ast.FunctionDef]:
    """Give module-level functions and methods."""
    found = []
    for node in tree.body:
        parts = node.body if isinstance(node, ast.ClassDef) else [node]
        found += [part for part in parts if isinstance(part, ast.FunctionDef)]
    return found


def _known_names(tree: ast.Module, function: ast.FunctionDef, at: int) -> set[str]:
    """Give the names that are sure to be bound before statement `at` of a function."""
    plain = [part for part in function.body[:at] if isinstance(part, (ast.Assign, ast.AnnAssign))]
    parameters = {node.arg for node in ast.walk(function.args) if isinstance(node, ast.arg)}
    return parameters | bound_names(plain) | bound_names(tree.body) | BUILTINS


def _leaves(statement: ast.stmt) -> bool:
    leaving = (ast.Return, ast.Break, ast.Continue, ast.Raise, ast.Yield)
    return any(isinstance(node, leaving) for node in ast.walk(statement))


def _copied(statement: ast.stmt) -> ast.stmt:
    return ast.parse(ast.unparse(statement)).body[0]
