"""Programs out of two: scores joined through ranks, one program's choice in front of another's."""

from __future__ import annotations

import ast
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from evolve.edits.pieces import Piece, graft, piece_of
from evolve.edits.sites import Probe, Site, budget_dim, dim_path, items_dim, items_shape
from evolve.edits.tidy import rename
from evolve.edits.tree import (
    NoEdit,
    all_names,
    call,
    expression,
    fresh_name,
    functions_of,
    numbered,
    parameters_of,
    parents_of,
    replace_node,
)
from evolve.scopes import bound_names
from evolve.spec import TaskSpec

WEIGHTS = (0.3, 0.5, 1.0, 1.0, 2.0)
"""Weight of the score that is added, or its power in a product: a constant that `tune` can move."""
WHOLE = 3.0
"""How much rather a score is changed where it gets a name, is returned or handed to a helper, than
where it is a part of an expression."""
WRONG_WAY = 0.1
"""Chance of joining a score against the direction that the probe showed: it may show little."""
WIDTH = (1.3, 4.0)
"""A filter in front leaves this many times the budget, drawn evenly in logs."""

RANKS = '''
import numpy as np


def ranks(values):
    """Ranks from 0 to 1, the highest value at 1."""
    return (np.argsort(np.argsort(values, kind="stable"), kind="stable") + 1) / len(values)
'''
FACTOR = '''
import numpy as np


def factor(values):
    """Sizes relative to their mean, so that a score keeps its scale when multiplied by it."""
    sizes = np.abs(values)
    return sizes / (np.mean(sizes) + 1e-30) + 1e-6
'''
MASKED = '''
import numpy as np


def masked(values, mask):
    """The values, lowered to the lowest of them outside the mask."""
    return np.where(mask, values, np.min(values))
'''
NARROW = '''
import numpy as np


def narrow({root}, keep):
    """The same inputs with the items `keep` alone."""
    axes = {axes}
    return {{
        key: np.take(value, keep, axes[key]) if key in axes else value
        for key, value in {root}.items()
    }}
'''
FILTER = '''
import numpy as np


def {entry}({parameters}):
    """Filter widely with one program, then choose among what is left with another."""
    wide = min({size}, int({factor} * {budget}))
    keep = np.asarray({sieve}).astype(int)
    return keep[np.asarray({choose}).astype(int)]
'''
MASK = '''
import numpy as np


def {entry}({parameters}):
    """Choose among the items of a mask, if there are enough of them."""
    keep = np.flatnonzero({mask})
    if len(keep) < {budget}:
        return {plain}
    return keep[np.asarray({choose}).astype(int)]
'''
MIX = '''
import numpy as np


def {entry}({parameters}):
    """Take a part of one program's choice and fill up with another's."""
    first = np.asarray({one}).astype(int)[: int({part} * {budget})]
    second = np.asarray({other}).astype(int)
    return np.concatenate([first, second[~np.isin(second, first)]])[:{budget}]
'''


def score_sites(tree: ast.Module, probe: Probe | None, task: TaskSpec) -> list[Site]:
    """Give the sites that hold one float per item, where the entry's inputs are at hand."""
    items = items_shape(task)
    if probe is None or not items:
        return []
    root = dim_path(task.dims[items[0]])[0]
    fit = {
        name
        for name, function in functions_of(tree).items()
        if root in parameters_of(function) and root not in bound_names(function.body)
    }
    return [site for site in probe.of_type("f", items) if site.function in fit]


def draw_site(tree: ast.Module, sites: Sequence[Site], rng: np.random.Generator) -> Site:
    """Draw a site, rather one that is a whole value. Raises: NoEdit if there is none."""
    if not sites:
        raise NoEdit("it has no score per item")
    nodes, parents, helpers = numbered(tree), parents_of(tree), functions_of(tree)
    weights = np.array(
        [WHOLE if _is_whole(parents[nodes[site.number]], helpers) else 1.0 for site in sites]
    )
    return sites[int(rng.choice(len(sites), p=weights / weights.sum()))]


def _is_whole(above: ast.AST, helpers: Collection[str]) -> bool:
    if isinstance(above, ast.Call):
        return isinstance(above.func, ast.Name) and above.func.id in helpers
    return isinstance(above, (ast.Assign, ast.Return))


def join_scores(
    tree: ast.Module, site: Site, piece: Piece, leaning: float | None, rng: np.random.Generator
) -> None:
    """Replace a score by a sum or product of itself and a piece's, in place.

    A score of one axis is joined through ranks; one of several through factors, since how large it is
    then counts from one array to the next.

    leaning: which way the piece's score is meant, above 0 if high ones are to be chosen; None if
    that is not known. Raises: NoEdit where the piece needs inputs that are not at hand.
    """
    _check_at_hand(tree, site, piece)
    against = (site.leaning or 0.0) * (leaning or 0.0) < 0
    if rng.random() < (WRONG_WAY if leaning is not None and site.leaning is not None else 0.5):
        against = not against
    weight = WEIGHTS[int(rng.integers(len(WEIGHTS)))]
    adds = rng.random() < 0.5
    own, holder = _taken_out(tree, site)
    other = ast.unparse(call(graft(tree, piece), piece.parameters))
    if len(site.shape) > 1:
        factor = graft(tree, piece_of(FACTOR, "factor"))
        theirs = f"{factor}({other}) ** {'-' if against else ''}{weight}"
        text = f"{factor}({own}) + {theirs}" if adds else f"({own}) * {theirs}"
        replace_node(tree, holder, expression(text))
        return
    ranks = graft(tree, piece_of(RANKS, "ranks"))
    theirs = f"{ranks}({'-' if against else ''}{other})"
    if adds:
        text = f"{ranks}({own}) + {theirs if weight == 1 else f'{weight} * {theirs}'}"
    else:
        text = f"{ranks}({own}) * {theirs if weight == 1 else f'{theirs} ** {weight}'}"
    replace_node(tree, holder, expression(text))


def mask_score(tree: ast.Module, site: Site, piece: Piece) -> None:
    """Lower a score to its lowest value outside a mask, or raise it where low ones are chosen."""
    _check_at_hand(tree, site, piece)
    own, holder = _taken_out(tree, site)
    mask = ast.unparse(call(graft(tree, piece), piece.parameters))
    masked = graft(tree, piece_of(MASKED, "masked"))
    low = (site.leaning or 0.0) < 0
    text = f"-{masked}(-({own}), {mask})" if low else f"{masked}({own}, {mask})"
    replace_node(tree, holder, expression(text))


def _check_at_hand(tree: ast.Module, site: Site, piece: Piece) -> None:
    function = functions_of(tree)[site.function]
    if not {*piece.parameters} <= {*parameters_of(function)} - bound_names(function.body):
        raise NoEdit("the inputs of the piece are not at hand")


def _taken_out(tree: ast.Module, site: Site) -> tuple[str, ast.Name]:
    """Replace a site by a holder, so that grafts do not see it, and give its source."""
    node, holder = numbered(tree)[site.number], ast.Name("SITE", ast.Load())
    replace_node(tree, node, holder)
    return ast.unparse(node), holder


def filter_in_front(
    tree: ast.Module, sieve: Piece, probe: Probe, task: TaskSpec, rng: np.random.Generator
) -> None:
    """Let another program choose widely first, and this one among what is left, in place."""
    low, high = np.log(WIDTH)
    factor = round(float(np.exp(rng.uniform(low, high))), 2)
    frame = _Frame(tree, probe, task)
    text = FILTER.format(
        **frame.fields,
        size=frame.size,
        factor=factor,
        sieve=frame.call_piece(sieve, {frame.budget: "wide"}),
        choose=frame.call_own(narrowed=True),
    )
    frame.finish(text)


def mask_in_front(tree: ast.Module, mask: Piece, probe: Probe, task: TaskSpec) -> None:
    """Let a program choose among the items of a mask only, in place."""
    frame = _Frame(tree, probe, task)
    text = MASK.format(
        **frame.fields,
        mask=frame.call_piece(mask, {}),
        plain=frame.call_own(narrowed=False),
        choose=frame.call_own(narrowed=True),
    )
    frame.finish(text)


def mix(tree: ast.Module, other: Piece, task: TaskSpec, rng: np.random.Generator) -> None:
    """Take a part of this program's choice and fill up with another's, in place."""
    frame = _Frame(tree, None, task)
    text = MIX.format(
        **frame.fields,
        one=frame.call_own(narrowed=False),
        other=frame.call_piece(other, {}),
        part=round(float(rng.uniform(0.2, 0.8)), 2),
    )
    frame.finish(text)


def select_by(
    tree: ast.Module, selector: Piece, score: Piece, leaning: float | None, task: TaskSpec
) -> None:
    """Replace how a program chooses by a selector from weights, in place."""
    frame = _Frame(tree, None, task)
    sign = "-" if (leaning or 0.0) < 0 else ""
    weights = f"{sign}{frame.call_piece(score, {})}"
    chosen = frame.call_piece(selector, {"w": "w"})
    frame.finish(
        f"def {frame.entry}({frame.fields['parameters']}):\n"
        f'    """Choose from weights, the highest first."""\n'
        f"    w = {weights}\n    return {chosen}\n"
    )


class _Frame:
    """A program whose entry point becomes a helper called by a new entry point."""

    def __init__(self, tree: ast.Module, probe: Probe | None, task: TaskSpec) -> None:
        items, budget = items_dim(task), budget_dim(task)
        function = functions_of(tree).get(task.entry)
        if items is None or budget is None or function is None:
            raise NoEdit("its outputs are no sets of items")
        self.tree, self.probe, self.entry, self.budget = tree, probe, task.entry, budget
        self.items = items
        self.root, keys, axis = dim_path(task.dims[items])
        self.size = f"{self.root}{''.join(f'[{key!r}]' for key in keys)}.shape[{axis}]"
        self.parameters = parameters_of(function)
        self.own = fresh_name("choose", all_names(tree))
        rename(tree, {task.entry: self.own})

    @property
    def fields(self) -> dict[str, str]:
        return {
            "entry": self.entry,
            "parameters": ", ".join(self.parameters),
            "budget": self.budget,
        }

    def call_own(self, narrowed: bool) -> str:
        """Write a call of the old entry point, on the items `keep` alone if `narrowed`."""
        changed: dict[str, str] = {}
        if narrowed:
            for name in self.parameters:
                axes = self._axes(name)
                if "" in axes:
                    changed[name] = f"np.take({name}, keep, {axes['']})"
            source = NARROW.format(root=self.root, axes=self._axes(self.root))
            changed[self.root] = (
                f"{graft(self.tree, piece_of(source, 'narrow'))}({self.root}, keep)"
            )
        return _written_call(self.own, self.parameters, changed)

    def call_piece(self, piece: Piece, changed: Mapping[str, str]) -> str:
        """Graft a piece and write a call of it. Raises: NoEdit if it needs unknown inputs."""
        if not {*piece.parameters} <= {*self.parameters, *changed}:
            raise NoEdit("the piece needs inputs that the entry point does not have")
        return _written_call(graft(self.tree, piece), piece.parameters, changed)

    def finish(self, text: str) -> None:
        """Put the new entry point, and the imports it needs, into the program."""
        block = ast.parse(text).body
        imports = [part for part in block if isinstance(part, ast.Import)]
        for part in imports:
            if ast.dump(part) not in {ast.dump(other) for other in self.tree.body}:
                graft(self.tree, Piece("", (), (part,)))
        self.tree.body += [part for part in block if part not in imports]

    def _axes(self, parameter: str) -> dict[str, int]:
        """Say which axis of each array of a parameter runs over the items, as the probe showed."""
        if self.probe is None or self.items not in self.probe.dims:
            raise NoEdit("the shapes of its inputs are not known")
        size = self.probe.dims[self.items]
        shapes = self.probe.arrays.get(parameter, {})
        return {key: shape.index(size) for key, shape in shapes.items() if size in shape}


def _written_call(name: str, parameters: Sequence[str], changed: Mapping[str, str]) -> str:
    return f"{name}({', '.join(changed.get(item, item) for item in parameters)})"
