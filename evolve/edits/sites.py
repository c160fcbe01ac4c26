"""Sites: the expressions of a program, typed by running it once on the tiny first probe.

`instrumented` rewrites a program so that it notes, in the module-level variable `RECORD`, the
type of every expression it evaluates; `read_probe` makes a `Probe` of what it noted. Types by
execution replace static rules: a site's type is the kind of its dtype and its shape in the names
of the task's dimensions, `("f", ("N",))` for a score per item. A function that works on a part of
the items is typed by its own arguments, so its `N` is the size of that part.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from evolve.edits import recorder
from evolve.edits.tree import LOOPS, ancestors, numbered, parameters_of, parents_of
from evolve.spec import TaskSpec

RECORD = "EVOLVE_RECORD"
"""The module-level variable that an instrumented program leaves its notes in."""

TYPED = (ast.Name, ast.Subscript, ast.BinOp, ast.UnaryOp, ast.Call, ast.Compare)
MIXED = "mixed"
CUT = "..."
"""Stands in an output that was too long to be kept whole."""
LOAD = ast.Load()


@dataclass(frozen=True, slots=True)
class Site:
    """One expression that was evaluated.

    number: its place in `numbered(tree)`. function: the module-level function it stands in.
    kind: of its dtype, "f", "i", "u" or "b" (Python's own numbers too). shape: names of dims, or
        sizes that are none's. once: evaluated a single time and in no loop.
    leaning: where a score per item: from -1 (the lowest were chosen) to 1 (the highest were).
    """

    number: int
    function: str
    kind: str
    shape: tuple[str | int, ...]
    once: bool
    leaning: float | None = None

    @property
    def type(self) -> tuple[str, tuple[str | int, ...]]:
        return self.kind, self.shape


@dataclass(frozen=True, slots=True)
class Probe:
    """What one run on the first probe showed.

    dims: {name: size}. arrays: {parameter: {key: shape}} of the entry's arguments; the key is
        "" where the argument is an array itself.
    output: a text that is equal for equal outputs; None where the entry gave none.
    """

    dims: Mapping[str, int] = field(default_factory=dict)
    arrays: Mapping[str, Mapping[str, tuple[int, ...]]] = field(default_factory=dict)
    sites: tuple[Site, ...] = ()
    output: str | None = None

    def of_type(self, kind: str, shape: tuple[str, ...]) -> tuple[Site, ...]:
        """Give the sites of one type at which a transplant may be put."""
        return tuple(site for site in self.sites if site.once and site.type == (kind, shape))


def instrumented(source: str, task: TaskSpec, sites: bool = True) -> str | None:
    """Give a program that runs as `source` does and notes what it evaluates.

    sites: whether types are noted too, or the output alone. Gives None where the entry point is
    no function, so that nothing can be noted.
    """
    tree = ast.parse(source)
    entry = next(
        (
            node
            for node in tree.body
            if isinstance(node, ast.FunctionDef) and node.name == task.entry
        ),
        None,
    )
    if entry is None or entry.decorator_list:
        return None
    if sites:
        _note_sites(tree, task)
    _note_arguments(entry)
    try:
        text = ast.unparse(ast.fix_missing_locations(tree))
    except RecursionError:  # a program at the edge of what Python parses
        return None
    return "\n".join((text, _recorder(task), WRAPPER.format(entry=task.entry)))


def read_probe(record: Any, source: str) -> Probe | None:
    """Make a Probe of what the program noted; None where it noted nothing that makes sense.

    The notes come from behind the wall, where a program could have written anything.
    """
    try:
        if not record["ran"]:
            return None
        dims = {str(name): int(size) for name, size in record["dims"].items()}
        arrays = {
            str(parameter): {str(key): tuple(map(int, shape)) for key, shape in shapes.items()}
            for parameter, shapes in record["arrays"].items()
        }
        noted = {int(key): _noted(*values) for key, values in record["sites"].items()}
        output = record["output"]
    except (TypeError, KeyError, ValueError, AttributeError, OverflowError):
        return None
    sites = [
        Site(number, function, kind, shape, runs == 1 and not looped, leaning)
        for number, (function, looped) in _candidates(ast.parse(source)).items()
        if number in noted
        for kind, shape, runs, leaning in (noted[number],)
        if kind != MIXED
    ]
    return Probe(dims, arrays, tuple(sites), output if isinstance(output, str) else None)


def _noted(
    kind: Any, shape: Any, runs: Any, leaning: Any
) -> tuple[str, tuple[str | int, ...], int, float | None]:
    sizes = tuple(size if isinstance(size, str) else int(size) for size in shape)
    return str(kind), sizes, int(runs), None if leaning is None else float(leaning)


def dim_path(path: str) -> tuple[str, tuple[str, ...], int | None]:
    """Split `pool.y[0]` into parameter, keys and axis; the axis of a plain integer is None."""
    place, _, axis = path.partition("[")
    root, *keys = place.split(".")
    return root, tuple(keys), int(axis.rstrip("]")) if axis else None


def items_shape(task: TaskSpec) -> tuple[str, ...]:
    """Give the dimensions of a score, one float per item; () where none are declared."""
    axes = [name for name, path in task.dims.items() if "[" in path]
    return task.items or tuple(axes[:1])


def items_dim(task: TaskSpec) -> str | None:
    """Give the first dimension of the items that are scored."""
    return next(iter(items_shape(task)), None)


def budget_dim(task: TaskSpec) -> str | None:
    """Give the entry's parameter that says how many to choose, where outputs are sets of items."""
    if task.canonical != "set" or items_dim(task) is None:
        return None
    plain = (path for path in task.dims.values() if "[" not in path and "." not in path)
    return next(plain, None)


def _candidates(tree: ast.Module) -> dict[int, tuple[str, bool]]:
    """Map the numbers of expressions worth noting to (function, whether in a loop)."""
    parents = parents_of(tree)
    found = {}
    for number, node in enumerate(numbered(tree)):
        if not isinstance(node, TYPED) or not isinstance(getattr(node, "ctx", LOAD), ast.Load):
            continue
        above = parents[node]
        if isinstance(above, ast.Call) and above.func is node:
            continue
        chain = [node, *ancestors(node, parents)]
        function = chain[-2]
        if not isinstance(function, ast.FunctionDef) or not _in_body(function, chain):
            continue
        if any(isinstance(upper, (ast.JoinedStr, ast.Match, ast.arguments)) for upper in chain):
            continue
        looped = any(
            isinstance(upper, (*LOOPS, ast.FunctionDef, ast.ClassDef)) for upper in chain[1:-2]
        )
        found[number] = function.name, looped
    return found


def _in_body(function: ast.FunctionDef, chain: list[ast.AST]) -> bool:
    """Tell whether a chain of nodes passes through the body, not decorators or defaults."""
    statement = chain[-3] if len(chain) > 2 else None
    return any(statement is part for part in function.body)


def _note_sites(tree: ast.Module, task: TaskSpec) -> None:
    """Wrap every candidate expression in a call that notes it, in place."""
    candidates = _candidates(tree)
    wanted = {
        id(node): number for number, node in enumerate(numbered(tree)) if number in candidates
    }
    for function in [node for node in tree.body if isinstance(node, ast.FunctionDef)]:
        known = [name for name in parameters_of(function) if name in _roots(task)]
        _Wrapper(wanted).visit(function)
        pairs = ", ".join(f"'{name}': {name}" for name in known)
        function.body[:0] = ast.parse(f"EVOLVE_DIMS = EVOLVE_dims({{{pairs}}})").body


class _Wrapper(ast.NodeTransformer):
    """Turns each wanted expression into `EVOLVE_see(number, expression, EVOLVE_DIMS)`."""

    def __init__(self, wanted: dict[int, int]) -> None:
        self.wanted = wanted

    def visit(self, node: ast.AST) -> Any:
        number = self.wanted.get(id(node))
        self.generic_visit(node)
        if number is None or not isinstance(node, ast.expr):
            return node
        arguments = [ast.Constant(number), node, ast.Name("EVOLVE_DIMS", ast.Load())]
        return ast.Call(ast.Name("EVOLVE_see", ast.Load()), arguments, [])


def _note_arguments(entry: ast.FunctionDef) -> None:
    pairs = ", ".join(f"'{name}': {name}" for name in parameters_of(entry))
    entry.body[:0] = ast.parse(f"EVOLVE_enter({{{pairs}}})").body


def _roots(task: TaskSpec) -> set[str]:
    return {dim_path(path)[0] for path in task.dims.values()}


def _recorder(task: TaskSpec) -> str:
    """Give the recorder with the constants of a task."""
    paths = {name: dim_path(path) for name, path in task.dims.items()}
    return (
        f"{_recorder_text()}\nEVOLVE_PATHS = {paths!r}\nEVOLVE_ITEMS = {list(items_shape(task))!r}"
    )


@cache
def _recorder_text() -> str:
    """Give the source of the recorder, its docstrings left out: each draft is kept on disk."""
    tree = ast.parse(Path(recorder.__file__).read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.FunctionDef)) and ast.get_docstring(node):
            del node.body[0]
    return ast.unparse(tree)


WRAPPER = """
EVOLVE_entry = {entry}


def {entry}(*arguments, **named):
    value = EVOLVE_entry(*arguments, **named)
    EVOLVE_leave(value)
    return value
"""
