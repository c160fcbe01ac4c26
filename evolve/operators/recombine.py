"""`recombine`: one program out of two."""

from __future__ import annotations

import ast

from evolve.edits.combine import draw_site, filter_in_front, join_scores, mix, score_sites
from evolve.edits.exchange import exchange
from evolve.edits.pieces import Piece, piece_of, slice_at
from evolve.edits.sites import budget_dim, dim_path
from evolve.edits.tidy import rename
from evolve.edits.tree import NoEdit, all_names, fresh_name, functions_of, parameters_of
from evolve.operators.base import OFFLINE_COST, Desk, Pairing, Written
from evolve.operators.child import Studied, draw, new_child, study

WEIGHTS = {"ranks": 20.0, "filter": 15.0, "mix": 4.0, "exchange": 1.0}
"""How often each way is drawn, after what a prototype earned with them (five runs of 400 steps:
rank sums and products 16 % of all gain, filters 13 %, the others 1 % each)."""


class Recombine:
    """Joins scores through ranks, filters with one program for the other, mixes, or exchanges parts.

    Where the task declares no dimensions, or nothing could be observed, helpers, statements and
    expressions are exchanged by syntax alone.
    """

    name = "recombine"
    num_parents = 2
    share = 39.0
    cost = OFFLINE_COST
    uses_model = False
    pairing: Pairing = "any"

    def suits(self, source: str) -> bool:
        """Any program will do."""
        return True

    async def write(self, desk: Desk) -> Written:
        """Give the first parent with something of the second. Raises: Unwritten."""
        first, second = desk.parents[0], desk.parents[-1]
        receiver, donor = await study(desk, first), await study(desk, second)
        weights = _ways(receiver, donor, desk)

        def edit() -> ast.Module:
            return _combined(draw(weights, desk.rng), receiver, donor, desk)

        return await new_child(desk, edit, [receiver, donor])


def _ways(receiver: Studied, donor: Studied, desk: Desk) -> dict[str, float]:
    """Give the ways that these two programs and this task leave open."""
    ways = dict(WEIGHTS)
    probes = receiver.probe, donor.probe
    if not all(
        score_sites(item.tree(), probe, desk.task)
        for item, probe in zip((receiver, donor), probes, strict=True)
    ):
        del ways["ranks"]
    if None in probes or budget_dim(desk.task) is None:
        del ways["filter"], ways["mix"]
    return ways


def _combined(way: str, receiver: Studied, donor: Studied, desk: Desk) -> ast.Module:
    """Make one child in the given way. Raises: NoEdit."""
    tree, task, rng = receiver.tree(), desk.task, desk.rng
    if way == "ranks":
        site = draw_site(tree, score_sites(tree, receiver.probe, task), rng)
        other = donor.tree()
        theirs = draw_site(other, score_sites(other, donor.probe, task), rng)
        roots = {dim_path(path)[0] for path in task.dims.values()}
        allowed = roots.union(parameters_of(functions_of(other)[task.entry]))
        piece = slice_at(donor.source, theirs, allowed, "score")
        join_scores(tree, site, piece, theirs.leaning, rng)
    elif way == "filter":
        if receiver.probe is None:
            raise NoEdit("the shapes of its inputs are not known")
        filter_in_front(tree, _whole(donor, task.entry, "sieve"), receiver.probe, task, rng)
    elif way == "mix":
        mix(tree, _whole(donor, task.entry, "fill"), task, rng)
    else:
        exchange(tree, donor.source, receiver.probe, donor.probe, task.entry, rng)
    return tree


def _whole(donor: Studied, entry: str, wish: str) -> Piece:
    """Give the whole donor as a piece whose function is called `wish`."""
    tree = donor.tree()
    name = fresh_name(wish, all_names(tree))
    rename(tree, {entry: name})
    return piece_of(ast.unparse(tree), name)
