"""A model that answers from a script, for tests and rehearsals."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from evolve.messages import FailedCall, Reply, Request, Usage

Script = Sequence[str | Reply] | Callable[[Request], str | Reply]
NO_COST = Usage(0, 0)


class ScriptedModel:
    """Answers from a list, in order, or by a function of the request, which may raise FailedCall."""

    def __init__(self, script: Script, name: str = "scripted") -> None:
        self.name = name
        self._script = script
        self.calls = 0

    async def complete(self, request: Request, timeout_s: float) -> Reply:
        self.calls += 1
        if callable(self._script):
            said = self._script(request)
        elif self.calls > len(self._script):
            raise FailedCall("empty", "the script has no further answer")
        else:
            said = self._script[self.calls - 1]
        return said if isinstance(said, Reply) else Reply(said, usage=NO_COST, usd=0.0)

    async def close(self) -> None:
        """Nothing is open."""
