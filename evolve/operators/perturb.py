"""`perturb`: one small change of one program."""

from __future__ import annotations

import ast
from collections.abc import Callable

from evolve.edits.constants import SIGMA_START, move_one, tunables
from evolve.edits.mutate import double_statement, drop_statement, swap, wrap
from evolve.edits.tree import NoEdit
from evolve.operators.base import OFFLINE_COST, Desk, Pairing, Written
from evolve.operators.child import Studied, draw, new_child, study

WEIGHTS = {"constant": 8.0, "swap": 3.0, "wrap": 5.0, "drop": 0.5, "double": 0.25}
"""How often each change is drawn, after what a prototype earned with them (five runs of 400 steps:
constants 8 % of all gain, wraps 4 %, swaps 1 %; half of the dropped statements made it invalid)."""


class Perturb:
    """Moves a constant, swaps an operator or function, wraps a term, drops or doubles a statement."""

    name = "perturb"
    num_parents = 1
    share = 16.0
    cost = OFFLINE_COST
    uses_model = False
    pairing: Pairing = "any"

    def suits(self, source: str) -> bool:
        """Tell whether the source has a constant to move or a term to change."""
        tree = ast.parse(source)
        return bool(tunables(tree)) or any(isinstance(n, ast.BinOp) for n in ast.walk(tree))

    async def write(self, desk: Desk) -> Written:
        """Give the source of a child that differs in one place. Raises: Unwritten."""
        parent = await study(desk, desk.parents[0])

        def edit() -> ast.Module:
            return _changed(draw(WEIGHTS, desk.rng), parent, desk)

        return await new_child(desk, edit, [parent])


def _changed(name: str, parent: Studied, desk: Desk) -> ast.Module:
    """Make one change of the named kind. Raises: NoEdit."""
    tree = parent.tree()
    changes: dict[str, Callable[[], None]] = {
        "constant": lambda: _move_constant(tree, parent, desk),
        "swap": lambda: swap(tree, parent.probe, desk.rng),
        "wrap": lambda: _wrap(tree, parent, desk),
        "drop": lambda: drop_statement(tree, desk.rng),
        "double": lambda: double_statement(tree, desk.rng),
    }
    changes[name]()
    return tree


def _move_constant(tree: ast.Module, parent: Studied, desk: Desk) -> None:
    dims = parent.probe.dims.values() if parent.probe is not None else ()
    items = tunables(tree, dims)
    if not items:
        raise NoEdit("it has no constant that can be moved")
    move_one(items, SIGMA_START, desk.rng)


def _wrap(tree: ast.Module, parent: Studied, desk: Desk) -> None:
    if parent.probe is None:
        raise NoEdit("its expressions could not be typed")
    wrap(tree, parent.probe, desk.rng)
