"""Numbers that papers print, recomputed: a task's `published_protocol`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from evolve.assess import Assessor, all_of
from evolve.errors import TaskError
from evolve.loader import Task


@dataclass(frozen=True, slots=True)
class Reproduced:
    """One published number.

    name: "PROGRAM PROTOCOL". printed: as the paper prints it. value: what this tree gives, None if
    the program is not valid there, for the reason given.
    """

    name: str
    printed: str
    value: float | None
    reason: str = ""

    @property
    def rounded(self) -> str | None:
        """What this tree gives, with as many decimals as are printed."""
        decimals = -int(Decimal(self.printed).as_tuple().exponent)
        return None if self.value is None else f"{self.value:.{max(decimals, 0)}f}"

    @property
    def agrees(self) -> bool:
        return self.rounded == self.printed


async def reproduce(assessor: Assessor, task: Task) -> list[Reproduced]:
    """Recompute all numbers of a task's `published_protocol`.

    Raises: TaskError for a name that is not "PROGRAM PROTOCOL", or a number that is none.
    """
    sources = task.programs()
    return await all_of(
        _reproduce(assessor, sources, name, printed)
        for name, printed in task.spec.published_protocol.items()
    )


async def _reproduce(
    assessor: Assessor, sources: Mapping[str, str], name: str, printed: str
) -> Reproduced:
    about = f"task.toml: published_protocol.{name!r}"
    program, _, protocol = name.partition(" ")
    if program not in sources or not protocol:
        raise TaskError(f'{about}: write "PROGRAM PROTOCOL" with a program of programs/')
    try:
        Decimal(printed)
    except InvalidOperation:
        raise TaskError(f"{about} = {printed!r}: write the number as it is printed") from None
    async with assessor.executor.slot(0) as slot:
        found = await slot.published(sources[program], protocol)
    return Reproduced(name, printed, found["value"], found["reason"] or "")
