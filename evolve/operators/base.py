"""What an operator is: a coroutine from an assignment to the source of a new program."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from evolve.spec import TaskSpec


@dataclass(frozen=True, slots=True)
class ParentProgram:
    """A parent as an operator sees it.

    step: its number. fitness: higher is better; scores: {instance: score}.
    tuned: how the tune children of this parent did so far, in the order of tells: True where the
        child was better than the parent.
    """

    step: int
    source: str
    fitness: float
    scores: Mapping[str, float]
    tuned: tuple[bool, ...] = ()


class Desk(Protocol):
    """What an operator works with; every effect of its is journaled before it sees the result.

    brief: the problem as the task tells it to a model.
    parents: at least `Operator.num_parents`, the first being the one to change.
    rng: belongs to this step alone; all choices come from it.
    """

    @property
    def task(self) -> TaskSpec: ...
    @property
    def brief(self) -> str: ...
    @property
    def parents(self) -> tuple[ParentProgram, ...]: ...
    @property
    def rng(self) -> np.random.Generator: ...

    async def draft(self, source: str, observe: str) -> Any:
        """Run a program behind the wall on the first probe and give its variable `observe`.

        observe: name of a module-level variable, read after the entry point returned or raised.
        Gives None where the program could not be run to a value (a bad draft is no fault).
        """

    async def ask(self, prompt: str) -> str:
        """Ask the step's model. Raises: Unwritten if it gave no answer."""


class Operator(Protocol):
    """Makes a program from parents.

    name: as written on the command line. num_parents: how many it is given (0 to 2).
    share: of the steps it gets at the start, relative to the others.
    uses_model: whether it needs a language model.
    """

    name: str
    num_parents: int
    share: float
    uses_model: bool

    def suits(self, source: str) -> bool:
        """Tell from a parent's source alone whether there is anything to do; pure and quick."""

    async def write(self, desk: Desk) -> str:
        """Give the source of a child. Raises: Unwritten with the reason if there is none."""
