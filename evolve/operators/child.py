"""From an edit to a child: tidied, screened, tried once behind the wall, and new."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from evolve.edits.sites import RECORD, Probe, instrumented, read_probe
from evolve.edits.tidy import tidy
from evolve.edits.tree import NoEdit, render
from evolve.errors import Unparsable, Unwritten
from evolve.operators.base import Desk, ParentProgram
from evolve.program import count_nodes, program_id
from evolve.screen import screen
from evolve.spec import TaskSpec

EDITS = 24
"""Edits tried before giving up; they cost a millisecond each."""
TRIALS = 4
"""Children run on the first probe before giving up; each costs one process."""
MAX_NODES = 1200
"""Syntax nodes of a child, five to ten times a published program: selection stays cheap to run."""

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
    try:
        text = instrumented(parent.source, desk.task)
    except RecursionError:  # a program at the edge of what Python parses
        text = None
    if text is None:
        return Studied(parent, None)
    return Studied(parent, read_probe(await desk.draft(text, RECORD), parent.source))


async def new_child(desk: Desk, edit: Edit, known: list[Studied]) -> str:
    """Repeat an edit until a child is valid and, on the first probe, behaves like no parent.

    known: the parents that were studied. A child that only seems to behave like one of them (a
    probe predicts, it does not prove) is given where nothing better was found.
    Raises: Unwritten with the last reason.
    """
    parents = {program_id(parent.source) for parent in desk.parents}
    outputs = {item.probe.output for item in known if item.probe is not None}
    tried: set[str] = set()
    reason, spare = "no edit was found", None
    for _ in range(EDITS):
        try:
            tree = edit()
            _retitle(tree)
            source, identity = _finished(tree, desk.task)
        except (NoEdit, Unparsable) as error:
            reason = str(error)
            continue
        if identity in parents or identity in tried:
            reason = "the edits only gave programs that are known"
            continue
        tried.add(identity)
        if not outputs:  # the parents could not be observed, so nothing can be compared
            return source
        probe = await _trial(desk, source)
        if probe is not None and probe.output not in outputs:
            return source
        if probe is not None:
            spare = source
        reason = "its drafts failed on the first probe"
        if len(tried) == TRIALS:
            break
    if spare is not None:
        return spare
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


def _finished(tree: ast.Module, task: TaskSpec) -> tuple[str, str]:
    """Tidy and write a child down. Raises: NoEdit, Unparsable."""
    try:
        source = render(tidy(tree, task.entry))
    except RecursionError as error:
        raise NoEdit("the child is nested too deeply") from error
    screen(source, task)
    if count_nodes(source) > MAX_NODES:
        raise NoEdit(f"the child would have more than {MAX_NODES} syntax nodes")
    return source, program_id(source)


async def _trial(desk: Desk, source: str) -> Probe | None:
    """Run a child on the first probe; None where it gave no answer that could be one."""
    text = instrumented(source, desk.task, sites=False)
    if text is None:
        return None
    probe = read_probe(await desk.draft(text, RECORD), source)
    if probe is None or probe.output is None or not _could_be_valid(probe.output, desk.task):
        return None
    return probe


def _could_be_valid(output: str, task: TaskSpec) -> bool:
    """Refuse what no grader takes: numbers that are not finite, and a set with an item twice."""
    if "nan" in output or "inf" in output:
        return False
    if task.canonical != "set":
        return True
    items = output.strip("[]").split(", ")
    return len(items) == len(set(items)) and "" not in items
