"""`tune`: one log-normal move of a program's constants, its step size learnt from earlier ones."""

from __future__ import annotations

import ast

from evolve.edits.constants import move_all, step_size, tunables
from evolve.edits.tree import NoEdit
from evolve.operators.base import OFFLINE_COST, Desk, Pairing, Written
from evolve.operators.child import new_child, study


class Tune:
    """Moves all tunable constants of a program, or a random half of them, by one draw each.

    The step size follows the one-fifth rule over the parent's earlier tune children (Rechenberg
    1973). The share is what a prototype's steps were best spent on (28 % of all gain).
    """

    name = "tune"
    num_parents = 1
    share = 25.0
    cost = OFFLINE_COST
    uses_model = False
    pairing: Pairing = "any"

    def suits(self, source: str) -> bool:
        """Tell whether the source has a constant that can be tuned."""
        return bool(tunables(ast.parse(source)))

    async def write(self, desk: Desk) -> Written:
        """Give the parent with other constants. Raises: Unwritten."""
        parent = await study(desk, desk.parents[0])
        dims = list(parent.probe.dims.values()) if parent.probe is not None else []
        sigma = step_size(desk.parents[0].tuned)

        def edit() -> ast.Module:
            tree = parent.tree()
            items = tunables(tree, dims)
            if not items:
                raise NoEdit("the parent has no constant that can be tuned")
            move_all(items, sigma, desk.rng)
            return tree

        return await new_child(desk, edit, [parent])
