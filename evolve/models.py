"""Language models behind one small protocol; here only the one that answers from a script."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from evolve.errors import Unwritten


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model answered. usd: None where the price is unknown; tokens: in and out together."""

    text: str
    usd: float | None = None
    tokens: int | None = None


class Model(Protocol):
    """A language model. name: as written on the command line and kept with the step."""

    name: str

    async def complete(self, prompt: str) -> Reply:
        """Answer a prompt. Raises: Unwritten, with the reason, if there is no clean answer."""


class ScriptedModel:
    """Answers from a list, in order, or by a function of the prompt; for tests and rehearsals."""

    name = "scripted"

    def __init__(self, script: Sequence[str] | Callable[[str], str]) -> None:
        self._script = script
        self.calls = 0

    async def complete(self, prompt: str) -> Reply:
        self.calls += 1
        if callable(self._script):
            return Reply(self._script(prompt), usd=0.0, tokens=0)
        if self.calls > len(self._script):
            raise Unwritten("the script has no further answer")
        return Reply(self._script[self.calls - 1], usd=0.0, tokens=0)
