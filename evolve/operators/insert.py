"""`insert`: a building block of the task's vocabulary is put into one program."""

from __future__ import annotations

import ast

from evolve.edits.combine import (
    draw_site,
    join_scores,
    mask_in_front,
    mask_score,
    score_sites,
    select_by,
)
from evolve.edits.pieces import Piece, graft, piece_of, slice_at
from evolve.edits.sites import budget_dim, items_dim
from evolve.edits.tree import NoEdit, call, functions_of, numbered, parameters_of, replace_node
from evolve.errors import Unwritten
from evolve.operators.base import OFFLINE_COST, Desk, Pairing, Written
from evolve.operators.child import Studied, draw, new_child, study
from evolve.spec import Block

WEIGHTS = {"score": 20.0, "mask": 3.0, "select": 2.0, "view": 1.0}
"""How often each kind of block is drawn: scores earned 24 % of all gain in a prototype, filters
1 % and selectors nothing, but these two fill cells."""

ONTO_SCORE = 0.5
"""How often a mask is laid onto a score rather than set in front of the whole choice."""

REPLACED = "x"
"""The parameter of a view that is given the table which the view takes the place of."""


class Insert:
    """Joins a score, sets a mask in front, exchanges the selector or the view of the items."""

    name = "insert"
    num_parents = 1
    share = 20.0
    cost = OFFLINE_COST
    uses_model = False
    pairing: Pairing = "any"

    def suits(self, source: str) -> bool:
        """Any program will do."""
        return True

    async def write(self, desk: Desk) -> Written:
        """Give the parent with one more building block. Raises: Unwritten."""
        kinds: set[str] = {block.gives for block in desk.task.block}
        if not kinds:
            raise Unwritten(f"task.toml of {desk.task.name} declares no [[block]] to insert")
        parent = await study(desk, desk.parents[0])
        weights = {kind: weight for kind, weight in WEIGHTS.items() if kind in kinds}
        if not score_sites(parent.tree(), parent.probe, desk.task) and len(weights) > 1:
            weights.pop("score", None)

        def edit() -> ast.Module:
            kind = draw(weights, desk.rng)
            return _with_block(_draw_block(kind, desk), parent, desk)

        return await new_child(desk, edit, [parent])


def _draw_block(kind: str, desk: Desk) -> Block:
    blocks = [block for block in desk.task.block if block.gives == kind]
    if not blocks:
        raise NoEdit(f"the vocabulary has no {kind}")
    return blocks[int(desk.rng.integers(len(blocks)))]


def _with_block(block: Block, parent: Studied, desk: Desk) -> ast.Module:
    """Put one block into the parent. Raises: NoEdit."""
    tree = parent.tree()
    piece = piece_of(block.source, block.name)
    if block.gives == "score":
        site = draw_site(tree, score_sites(tree, parent.probe, desk.task), desk.rng)
        join_scores(tree, site, piece, 1.0, desk.rng)
    elif block.gives == "mask":
        _put_mask(tree, piece, parent, desk)
    elif block.gives == "select":
        score, leaning = _weights(tree, parent, desk)
        select_by(tree, piece, score, leaning, desk.task)
    else:
        _change_view(tree, piece, parent, desk)
    return tree


def _put_mask(tree: ast.Module, piece: Piece, parent: Studied, desk: Desk) -> None:
    """Set a mask in front of the choice or, where outputs are no sets, onto a score, in place."""
    sites = score_sites(tree, parent.probe, desk.task)
    if budget_dim(desk.task) is None or (sites and desk.rng.random() < ONTO_SCORE):
        mask_score(tree, draw_site(tree, sites, desk.rng), piece)
    elif parent.probe is not None:
        mask_in_front(tree, piece, parent.probe, desk.task)
    else:
        raise NoEdit("the shapes of its inputs are not known")


def _weights(tree: ast.Module, parent: Studied, desk: Desk) -> tuple[Piece, float | None]:
    """Give weights for a selector: a score of the parent, or a block where it has none."""
    sites = score_sites(tree, parent.probe, desk.task)
    if not sites:
        block = _draw_block("score", desk)
        return piece_of(block.source, block.name), 1.0
    site = draw_site(tree, sites, desk.rng)
    allowed = parameters_of(functions_of(tree)[desk.task.entry])
    return slice_at(parent.source, site, allowed, "weights"), site.leaning


def _change_view(tree: ast.Module, piece: Piece, parent: Studied, desk: Desk) -> None:
    """Replace one description of the items, a float table with a row per item, in place.

    A view with a parameter `x` is given what it replaces: it changes a table rather than forgets it.
    """
    items = items_dim(desk.task)
    if parent.probe is None or items is None:
        raise NoEdit("its expressions could not be typed")
    functions = functions_of(tree)
    sites = [
        site
        for site in parent.probe.sites
        if site.once
        and site.kind == "f"
        and len(site.shape) == 2
        and site.shape[0] == items
        and {*piece.parameters} - {REPLACED} <= {*parameters_of(functions[site.function])}
    ]
    if not sites:
        raise NoEdit("it has no table of the items")
    site = sites[int(desk.rng.integers(len(sites)))]
    node = numbered(tree)[site.number]
    assert isinstance(node, ast.expr)
    arguments = [node if name == REPLACED else name for name in piece.parameters]
    replace_node(tree, node, call(graft(tree, piece), arguments))
