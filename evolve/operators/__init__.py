"""The operators: each a coroutine from an assignment to the source of a new program."""

from __future__ import annotations

from evolve.operators.base import Operator
from evolve.operators.insert import Insert
from evolve.operators.perturb import Perturb
from evolve.operators.recombine import Recombine
from evolve.operators.tune import Tune
from evolve.operators.with_model import ASKING
from evolve.spec import TaskSpec

__all__ = ["ALL", "ASKING", "OFFLINE", "offered"]

OFFLINE: dict[str, Operator] = {
    operator.name: operator for operator in (Perturb(), Tune(), Recombine(), Insert())
}
"""The operators that need no model, by name."""

ALL: dict[str, Operator] = {**OFFLINE, **ASKING}


def offered(task: TaskSpec, *, with_model: bool = False) -> dict[str, Operator]:
    """Give the operators that have anything to do on a task."""
    offline = {name: op for name, op in OFFLINE.items() if name != "insert" or task.block}
    return {**offline, **(ASKING if with_model else {})}
