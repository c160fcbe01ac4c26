"""What an operator is: a coroutine from an assignment to the source of a new program."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

import numpy as np

from evolve.briefing import Briefing
from evolve.config import ModelSettings
from evolve.messages import Reply, Request
from evolve.spec import TaskSpec

if TYPE_CHECKING:
    from evolve.view import View

# "any": by the run's policy, donors uniformly. "strong": only parents of the top third.
# "complementary": a strong parent, and one that is good where the first is not. "failed": a program
# that failed.
Pairing = Literal["any", "strong", "complementary", "failed"]

# An operator that asks no model costs the running of its child, about half of what a call and the
# running of its child cost.
OFFLINE_COST = 0.5


@dataclass(frozen=True, slots=True)
class ParentProgram:
    """A parent as an operator sees it; one that failed is a parent for `repair` only.

    step: its number. fitness: higher is better, None if it failed; se: its standard error.
    scores: {instance: score}. tuned: how the tune children of this parent did so far, in the order
    of tells: True where the child was better than the parent. feedback: {instance: what the task
    says of its output}. idea: its author's own line. status, reason: what became of it.
    cpu_s: CPU seconds of all instances together, limit_share: the largest share of a limit that one
    instance used; None where it did not run here. Shown to a model, they decide nothing.
    """

    step: int
    source: str
    fitness: float | None
    scores: Mapping[str, float]
    tuned: tuple[bool, ...] = ()
    se: float | None = None
    feedback: Mapping[str, str] = field(default_factory=dict)
    operator: str = ""
    idea: str | None = None
    status: str = "ok"
    reason: str | None = None
    cpu_s: float | None = None
    limit_share: float | None = None


class Written(NamedTuple):
    """What an operator gives: the source of a child, and its author's own line about it."""

    source: str
    idea: str | None = None


class Twin(NamedTuple):
    """A told step that a new program equals. how: "syntax", or "behaviour", which predicts only."""

    step: int
    how: Literal["syntax", "behaviour"]
    fitness: float | None
    idea: str | None


class Desk(Protocol):
    """What an operator works with; every effect of its is journaled before it sees the result.

    briefing, view, settings: what a model may be told of the task and of the snapshot, and how
        models are called.
    parents: at least `Operator.num_parents`, the first being the one to change.
    rng: belongs to this step alone; all choices come from it.
    """

    @property
    def task(self) -> TaskSpec: ...
    @property
    def settings(self) -> ModelSettings: ...
    @property
    def briefing(self) -> Briefing: ...
    @property
    def view(self) -> View: ...
    @property
    def parents(self) -> tuple[ParentProgram, ...]: ...
    @property
    def rng(self) -> np.random.Generator: ...

    async def draft(self, source: str, observe: str) -> Any:
        """Run a program behind the wall on the first probe and give its variable `observe`.

        observe: name of a module-level variable, read after the entry point returned or raised.
        Gives None where the program could not be run to a value (a bad draft is no fault).
        """

    async def twin(self, source: str) -> Twin | None:
        """Give the told step that a program equals or seems to equal, as the snapshot knows it.

        The same syntax, or the same behaviour on the probes: a prediction, which proves nothing.
        """

    async def ask(self, request: Request) -> Reply:
        """Ask the step's model, with all the patience of the house.

        Raises: Unwritten if it gave no clean answer.
        """


class Operator(Protocol):
    """Makes a program from parents.

    name: as written on the command line. num_parents: how many it is given (1 or 2).
    share: of the steps it gets at the start, relative to others of its cost.
    cost: of a step, where a mean call of a model is 1; for operators that ask none.
    uses_model: whether it needs a language model. pairing: how its parents are chosen.
    """

    name: str
    num_parents: int
    share: float
    cost: float
    uses_model: bool
    pairing: Pairing

    def suits(self, source: str) -> bool:
        """Tell from a parent's source alone whether there is anything to do; pure and quick."""

    async def write(self, desk: Desk) -> Written:
        """Give the source of a child. Raises: Unwritten with the reason if there is none."""
