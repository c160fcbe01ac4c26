"""The numbers of a program: which of them can be tuned, and how they are moved.

A constant has a role. Tunable: floats, slice bounds, named parameters and factors. Frozen: what
says where rather than how much (axes, shapes, indices, `range`, powers), 0 and 1 as integers,
guards against zero or infinity, and integers that equal a declared dimension of the inputs.
Moving frozen ones made most invalid children of a prototype.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from evolve.edits.tree import ancestors, parents_of

SIGMA_START = 0.4
"""Standard deviation of the first log-normal move: a factor of 1.5 either way."""
SIGMA_RANGE = (0.03, 1.2)
SUCCESS_FACTOR = 1.5
"""One success widens as much as four failures narrow: the balance is one fifth (Rechenberg 1973)."""
FAILURE_FACTOR = SUCCESS_FACTOR**-0.25
GUARD = 1e-6
"""Floats below it keep a division or a logarithm finite; their reciprocals stand for infinity."""
DIGITS = 3
"""Significant digits of a moved float: more say nothing on a few noisy instances."""

STRUCTURAL_CALLS = frozenset(
    (
        *("range", "eye", "identity", "zeros", "ones", "empty", "full", "reshape", "arange"),
        *("transpose", "swapaxes", "moveaxis", "expand_dims", "squeeze", "tile", "repeat"),
        *("mean", "sum", "max", "min", "std", "var", "median", "argmax", "argmin", "argsort"),
        *("sort", "cumsum", "prod", "any", "all", "norm", "concatenate", "stack", "roll", "diff"),
        *("take", "take_along_axis", "split", "round", "default_rng", "RandomState", "Random"),
        *("integers", "randint", "random", "normal", "standard_normal", "log2", "isinstance"),
    )
)
"""Calls whose plain numbers are axes, shapes, counts of axes or generator states."""
STRUCTURAL_KEYWORDS = frozenset(("axis", "axes", "shape", "ndmin", "ndim", "dtype", "size", "seed"))


@dataclass(frozen=True, slots=True)
class Tunable:
    """One number that can be moved: `role` is "fraction", "scale" or "count"."""

    node: ast.Constant
    role: str

    @property
    def value(self) -> float:
        number = self.node.value
        assert isinstance(number, (int, float))
        return number


# Beyond this a float no longer holds every integer, and nobody tunes.
LARGEST_TUNABLE = 2**53


def tunables(tree: ast.Module, dims: Iterable[int] = ()) -> list[Tunable]:
    """Give the tunable constants in the order of the source.

    dims: sizes of the declared dimensions; integers that equal one are frozen.
    """
    parents = parents_of(tree)
    frozen = set(dims)
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or isinstance(node.value, bool):
            continue
        if not isinstance(node.value, (int, float)) or not abs(node.value) <= LARGEST_TUNABLE:
            continue
        role = _role(node, parents, frozen)
        if role is not None:
            found.append(Tunable(node, role))
    return sorted(found, key=lambda item: (item.node.lineno, item.node.col_offset))


def moved(item: Tunable, sigma: float, rng: np.random.Generator) -> float | int:
    """Draw a new value: fractions move in logit space, all others log-normally; signs stay."""
    step = sigma * float(rng.standard_normal())
    value = item.value
    if item.role == "fraction":
        odds = math.log(value / (1 - value)) + step
        return _rounded(1 / (1 + math.exp(-odds)))
    if item.role == "count":
        return int(math.copysign(max(1, round(abs(value) * math.exp(step))), value))
    return _rounded(value * math.exp(step))


def move_all(items: Sequence[Tunable], sigma: float, rng: np.random.Generator) -> None:
    """Move all constants, or with an even chance only a random half of them, in place."""
    chosen = np.ones(len(items), bool) if rng.random() < 0.5 else rng.random(len(items)) < 0.5
    if not chosen.any():
        chosen[rng.integers(len(items))] = True
    for item, moves in zip(items, chosen, strict=True):
        if moves:
            item.node.value = moved(item, sigma, rng)


def move_one(items: Sequence[Tunable], sigma: float, rng: np.random.Generator) -> None:
    """Move one constant by a step that is sure to be seen, in place."""
    item = items[int(rng.integers(len(items)))]
    value = moved(item, sigma, rng)
    if value == item.value and item.role == "count":  # too small a count for a small step
        away = 1 if abs(item.value) <= 1 or rng.random() < 0.5 else -1
        value = int(item.value + math.copysign(1, item.value) * away)
    item.node.value = value


def step_size(tuned: Sequence[bool]) -> float:
    """Give sigma by the one-fifth rule from how the earlier tune children of a parent did."""
    sigma = SIGMA_START
    for better in tuned:
        sigma *= SUCCESS_FACTOR if better else FAILURE_FACTOR
        sigma = min(max(sigma, SIGMA_RANGE[0]), SIGMA_RANGE[1])
    return sigma


def _role(node: ast.Constant, parents: dict[ast.AST, ast.AST], dims: set[int]) -> str | None:
    value = node.value
    assert isinstance(value, (int, float))
    child: ast.AST = node
    above = parents[node]
    if isinstance(above, ast.UnaryOp):
        child, above = above, parents[above]
    if isinstance(value, float):
        if not GUARD < abs(value) < 1 / GUARD:
            return None
        return "fraction" if 0 < value < 1 else "scale"
    if abs(value) < 2 or value in dims:
        return None
    if any(_is_structural(above, child) for above, child in _upwards(node, parents)):
        return None
    named = _names_a_parameter(above, parents)
    factor = isinstance(above, ast.BinOp) and isinstance(above.op, (ast.Mult, ast.Div, ast.Add))
    bound = isinstance(above, ast.Slice) and above.step is not child
    return "count" if named or factor or bound else None


def _names_a_parameter(above: ast.AST, parents: dict[ast.AST, ast.AST]) -> bool:
    """Tell whether a number right below this node is given a name: `bins = 20`, or a default."""
    if isinstance(above, (ast.Tuple, ast.List)):
        above = parents[above]
    if isinstance(above, ast.Assign):
        return all(isinstance(target, (ast.Name, ast.Tuple)) for target in above.targets)
    return isinstance(above, (ast.AnnAssign, ast.arguments))


def _upwards(node: ast.AST, parents: dict[ast.AST, ast.AST]) -> Iterator[tuple[ast.AST, ast.AST]]:
    """Walk up through literals and signs to what the number is an argument, index or power of."""
    for above in ancestors(node, parents):
        yield above, node
        if not isinstance(above, (ast.UnaryOp, ast.Tuple, ast.List, ast.keyword)):
            return
        node = above


def _is_structural(above: ast.AST, child: ast.AST) -> bool:
    """Tell whether a number in this place says where, or what shape, rather than how much."""
    match above:
        case ast.keyword(arg=name):
            return name in STRUCTURAL_KEYWORDS
        case ast.Call(func=ast.Name(id=name)) | ast.Call(func=ast.Attribute(attr=name)):
            return child in above.args and name in STRUCTURAL_CALLS
        case ast.Subscript():
            return child is above.slice
        case ast.BinOp(op=ast.Pow() | ast.Mod() | ast.FloorDiv() | ast.LShift() | ast.RShift()):
            return child is above.right
        case _:
            return isinstance(above, (ast.MatchValue, ast.Dict, ast.JoinedStr))


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
