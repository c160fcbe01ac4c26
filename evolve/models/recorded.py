"""A model that answers from an archive: what was asked and paid for once is said again for nothing."""

from __future__ import annotations

from archive import queries
from archive.records import RunRecord
from archive.store import Archive
from evolve.attempts import reply_of, request_digest
from evolve.messages import FailedCall, Reply, Request


class RecordedModel:
    """Answers a request as it was answered in a run, equal requests in their recorded order.

    name: of the model that answered then; it is part of every request's digest. What was never
    asked is rejected: nothing here can make a call.
    """

    def __init__(self, archive: Archive, run: RunRecord, name: str) -> None:
        self.name, self._where = name, run.name
        self._answers: dict[str, list[Reply]] = {}
        for answer in queries.answers(archive, run.id):
            if answer.kind == "model" and answer.state == "received":
                self._answers.setdefault(answer.request_digest, []).append(reply_of(answer))

    async def complete(self, request: Request, timeout_s: float) -> Reply:
        said = self._answers.get(request_digest("model", {"model": self.name, **request.plain()}))
        if not said:
            raise FailedCall("rejected", f"run {self._where} never asked this of {self.name}")
        return said.pop(0) if len(said) > 1 else said[0]

    async def close(self) -> None:
        """Nothing is open."""
