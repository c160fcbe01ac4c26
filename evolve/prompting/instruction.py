"""What a prompt ends with: the operator's instruction and the form of the answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from evolve.prompting.words import difference, filled, listed, number
from evolve.spec import TaskSpec
from evolve.view import View

if TYPE_CHECKING:
    from evolve.operators.base import ParentProgram

MAX_NAMED_STEPS = 10
MARKER = "EVOLVE-BLOCK"


def instruction(
    kind: str,
    spec: TaskSpec,
    view: View,
    parents: Sequence[ParentProgram],
    target: float | None,
) -> str:
    """Give what to write and in what form, from the template of a kind."""
    first = parents[0]
    markers = (
        " Only what stands between the EVOLVE-BLOCK markers may change; leave the rest and the "
        "markers as they are."
        if MARKER in first.source
        else ""
    )
    return filled(
        f"ask_{kind}",
        step=first.step,
        other=parents[-1].step,
        markers=markers,
        stay_away=_stay_away(view),
        target=_target(target, parents),
        slow=_slow(first, spec),
    )


def _stay_away(view: View) -> str:
    """Name the ideas that gained nothing; "" if there are none."""
    vain = [
        tried.step for tried in view.tried
        if tried.kinship or (tried.gain is not None and tried.gain.difference <= 0.0)
    ]  # fmt: skip
    if not vain:
        return ""
    steps = listed([str(step) for step in vain[:MAX_NAMED_STEPS]])
    return (
        f" Stay away from ideas that gained nothing (step{'s' if len(vain) > 1 else ''} {steps})."
    )


def _target(target: float | None, parents: Sequence[ParentProgram]) -> str:
    if target is None:
        return ""
    best = max((parent.fitness for parent in parents if parent.fitness is not None), default=None)
    above = f", {difference(target - best, None)} on the better parent" if best is not None else ""
    return f" The fitness to reach is {number(target)}{above}."


def _slow(parent: ParentProgram, spec: TaskSpec) -> str:
    if parent.status != "timeout":
        return ""
    return (
        f" It ran out of time: bring one instance well below {spec.limits.cpu_s:g} CPU seconds. "
        "Work out from the sizes of the arrays and the number of passes which line costs most, "
        "and make that one cheaper with the same result."
    )
