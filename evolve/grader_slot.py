"""A slot as questions to a grader, wherever its process is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from evolve.executor import Drafted, Probed, Ran


class GraderSlot(ABC):
    """What a grader can be asked; how the question gets there is the subclass's.

    level: of the wall that was found. machine: names the one that it is on.
    """

    level = ""
    machine = "here"

    @abstractmethod
    async def ask(self, op: str, arguments: Mapping[str, Any]) -> Any:
        """Ask what rests on nothing that was asked before; of a fresh grader, if this one is lost.

        Raises: SlotLost when the place itself is lost; WorldError, TaskError.
        """

    @abstractmethod
    async def ask_once(self, op: str, arguments: Mapping[str, Any]) -> Any:
        """Ask this very grader, which holds what the question is about. Raises: as `ask` does."""

    async def draft(self, source: str, observe: str) -> Drafted:
        return Drafted(**await self.ask("draft", {"source": source, "observe": observe}))

    async def probe(self, source: str) -> Probed:
        return Probed(**await self.ask("probe", {"source": source}))

    async def run(self, source: str, stage: str, block: int) -> Ran:
        return Ran(**await self.ask("run", _on_block(source, stage, block)))

    async def grade(self, token: str) -> dict[str, Any]:
        quality, _ = await self.timed_grade(token)
        return quality

    async def timed_grade(self, token: str) -> tuple[dict[str, Any], float]:
        # A fresh grader does not hold the outputs. Whoever ran them runs again.
        graded = await self.ask_once("grade", {"token": token})
        return dict(graded["quality"]), graded["seconds"]

    async def describe(self, stage: str, block: int) -> list[dict[str, Any]]:
        """Give names, subgroups and dimensions of a block's instances."""
        return list(await self.ask("describe", {"stage": stage, "block": block}))

    async def control(self, source: str, stage: str, block: int) -> dict[str, Any]:
        """Grade a control, which the task's author wrote and which may read private values."""
        return dict(await self.ask("control", _on_block(source, stage, block)))

    async def published(self, source: str, protocol: str) -> dict[str, Any]:
        """Recompute the number that a paper prints for a program under one protocol."""
        return dict(await self.ask("published", {"source": source, "protocol": protocol}))

    async def compare(self, source: str, stage: str, block: int) -> dict[str, Any]:
        """Tell whether grading together and one by one agree on a program's outputs."""
        return dict(await self.ask("compare", _on_block(source, stage, block)))

    async def audit(self, source: str, stage: str, block: int) -> dict[str, Any]:
        """Look for private values in public inputs, and for grades that read beyond the form."""
        return dict(await self.ask("audit", _on_block(source, stage, block)))

    async def samples(self, source: str) -> list[dict[str, Any]]:
        """Give the probes with what a program answers to them."""
        return list(await self.ask("samples", {"source": source}))

    async def observe(self, source: str, observe: str) -> list[Drafted]:
        """Run a draft on all probes, to the first time-out, and read its variable `observe`."""
        rows = await self.ask("observe", {"source": source, "observe": observe})
        return [Drafted(**row) for row in rows]


def _on_block(source: str, stage: str, block: int) -> dict[str, Any]:
    return {"source": source, "stage": stage, "block": block}
