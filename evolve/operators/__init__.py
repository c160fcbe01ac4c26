"""The operators: each a coroutine from an assignment to the source of a new program."""

from __future__ import annotations

from evolve.operators.base import Operator
from evolve.operators.insert import Insert
from evolve.operators.perturb import Perturb
from evolve.operators.recombine import Recombine
from evolve.operators.tune import Tune
from evolve.spec import TaskSpec

OFFLINE: dict[str, Operator] = {
    operator.name: operator for operator in (Perturb(), Tune(), Recombine(), Insert())
}
"""The operators that need no model, by name."""


def offered(task: TaskSpec) -> dict[str, Operator]:
    """Give the operators without a model that have anything to do on a task."""
    return {name: operator for name, operator in OFFLINE.items() if name != "insert" or task.block}
