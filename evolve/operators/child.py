"""From an edit to a child: tidied, screened, tried once behind the wall, and new."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from evolve.edits.sites import CUT, RECORD, Probe, budget_dim, instrumented, read_probe
from evolve.edits.tidy import tidy
from evolve.edits.tree import NoEdit, render
from evolve.errors import Unparsable, Unwritten
from evolve.operators.base import Desk, ParentProgram, Written
from evolve.program import count_nodes, program_id
from evolve.screen import screen
from evolve.spec import TaskSpec

EDITS = 24
"""Edits tried before giving up; they cost a millisecond each."""
TRIALS = 4
"""Children run on the first probe before giving up; each costs one process."""
MAX_NODES = 800
"""Syntax nodes of a child, or as many as its largest parent has: about four published programs,
so that choosing stays cheap beside training."""

CHANGED = ", changed by search"

Edit = Callable[[], ast.Module]


@dataclass(frozen=True, slots=True)
class Studied:
    """A parent with its tree's source and what a run of it showed; `probe` None if nothing."""

    parent: ParentProgram
    probe: Probe | None

    @property
    def source(self) -> str:
        return self.parent.source

    def tree(self) -> ast.Module:
        """Parse the parent anew, to be edited in place; node numbers are those of the probe."""
        return ast.parse(self.parent.source)


async def study(desk: Desk, parent: ParentProgram) -> Studied:
    """Run a parent once on the first probe and note the types of its expressions."""
    text = instrumented(parent.source, desk.task)
    if text is None:
        return Studied(parent, None)
    return Studied(parent, read_probe(await desk.draft(text, RECORD), parent.source))


async def new_child(desk: Desk, edit: Edit, known: list[Studied]) -> Written:
    """Repeat an edit until a child is valid and, on the first probe, behaves like no parent.

    known: the parents that were studied. A child that only seems to behave like one of them (a
    probe predicts, it does not prove) is given where nothing better was found.
    Raises: Unwritten with the last reason.
    """
    parents = {program_id(parent.source) for parent in desk.parents}
    outputs = {item.probe.output for item in known if item.probe is not None}
    limit = max(MAX_NODES, *(count_nodes(parent.source) for parent in desk.parents))
    tried: set[str] = set()
    reason, spare = "no edit was found", None
    for _ in range(EDITS):
        try:
            tree = edit()
            _retitle(tree)
            source, identity = _finished(tree, desk.task, limit)
        except (NoEdit, Unparsable) as error:
            reason = str(error)
            continue
        except RecursionError:  # a program at the edge of what Python parses
            reason = "it is nested too deeply to be edited"
            continue
        if identity in parents or identity in tried:
            reason = "the edits only gave programs that are known"
            continue
        tried.add(identity)
        if not outputs:  # the parents could not be observed, so nothing can be compared
            return Written(source)
        probe = await _trial(desk, source)
        if probe is not None and probe.output not in outputs:
            return Written(source)
        if probe is not None:
            spare = source
        reason = "its drafts failed on the first probe"
        if len(tried) == TRIALS:
            break
    if spare is not None:
        return Written(spare)
    raise Unwritten(reason)


def draw(weights: Mapping[str, float], rng: np.random.Generator) -> str:
    """Draw a key with a chance in proportion to its weight."""
    names, values = list(weights), np.array(list(weights.values()))
    return names[int(rng.choice(len(names), p=values / values.sum()))]


def _retitle(tree: ast.Module) -> None:
    """Keep the first line of the module's docstring and say that it is no longer the original."""
    text = ast.get_docstring(tree)
    if not text:
        return
    title = text.splitlines()[0].rstrip(" .").removesuffix(CHANGED)
    tree.body[0] = ast.Expr(ast.Constant(f"{title}{CHANGED}."))


def _finished(tree: ast.Module, task: TaskSpec, limit: int) -> tuple[str, str]:
    """Tidy a child and write it down. Raises: NoEdit, Unparsable, RecursionError."""
    source = render(tidy(tree, task.entry))
    screen(source, task)
    if count_nodes(source) > limit:
        raise NoEdit(f"the child would have more than {limit} syntax nodes")
    return source, program_id(source)


async def _trial(desk: Desk, source: str) -> Probe | None:
    """Run a child on the first probe; None where it gave no answer that could be one."""
    text = instrumented(source, desk.task, sites=False)
    if text is None:
        return None
    probe = read_probe(await desk.draft(text, RECORD), source)
    return probe if probe is not None and _could_be_valid(probe, desk.task) else None


def _could_be_valid(probe: Probe, task: TaskSpec) -> bool:
    """Refuse what no grader takes: no output, numbers that are not finite, a set with doubles."""
    output, budget = probe.output, budget_dim(task)
    if output is None or "nan" in output or "inf" in output:
        return False
    if budget is None:
        return True
    items = output.strip("[]").split(", ")
    if CUT in output:  # the last item may be half of one
        items = items[:-1]
    return "" not in items and len(items) == len(set(items)) <= probe.dims.get(budget, len(items))
