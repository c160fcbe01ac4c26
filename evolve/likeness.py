"""How much alike texts are by an embedder; a service is asked like a model, and paid like one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from evolve.embedding import PATIENCE_S, Embedder, LitellmEmbedder
from evolve.messages import Message, Reply, Request, Usage
from evolve.novelty import Alike, similar

# Rows are kept for so many texts at most: 40 MB of TF-IDF, and more than a grid has elites.
MAX_ROWS = 10_000
# Digits of a cosine that are kept. Of equal texts it is 1 then, whatever the last bits say.
DIGITS = 4
SERVICE = "litellm/"


class Compared(NamedTuple):
    """Which text is most alike to one's own. tokens: billed for it, None where nobody tells."""

    alike: Alike
    tokens: int | None


class Likeness:
    """Compares texts by the vectors of an embedder, which is asked once for each text."""

    def __init__(self, embedder: Embedder) -> None:
        self.embedder = embedder
        self._kept: dict[str, np.ndarray] = {}

    async def compare(
        self, own: str, others: Sequence[str], timeout_s: float = PATIENCE_S
    ) -> Compared:
        """Give which of some texts (one at least) is most like one's own. Raises: FailedCall."""
        texts = dict.fromkeys((own, *others))
        known = {text: self._kept[text] for text in texts if text in self._kept}
        missing = [text for text in texts if text not in known]
        rows, tokens = await self._embedded(missing, timeout_s)
        known |= dict(zip(missing, rows, strict=True))
        for text in missing:
            self._keep(text, known[text])
        found = similar(np.stack([known[text] for text in others]), known[own], threshold=-np.inf)
        assert found is not None
        return Compared(Alike(found.row, round(found.similarity, DIGITS)), tokens)

    async def _embedded(
        self, texts: Sequence[str], timeout_s: float
    ) -> tuple[np.ndarray, int | None]:
        if isinstance(self.embedder, LitellmEmbedder):
            return await self.embedder.billed(texts, timeout_s)
        return await self.embedder.embed(texts, timeout_s), 0

    def _keep(self, text: str, row: np.ndarray) -> None:
        if len(self._kept) >= MAX_ROWS:
            del self._kept[next(iter(self._kept))]
        self._kept[text] = row


class LikenessModel:
    """An embedding service as a model: asked for the text most alike to the first of a request.

    So its answers are journaled, bounded and paid as all answers are, in a few bytes each. What an
    answer says follows from the texts alone; its price does not, since a text is sent once.
    """

    def __init__(self, likeness: Likeness) -> None:
        self.name = likeness.embedder.name
        self._likeness = likeness

    async def complete(self, request: Request, timeout_s: float) -> Reply:
        own, *others = (message.text for message in request.messages)
        found = await self._likeness.compare(own, others, min(timeout_s, PATIENCE_S))
        usage = None if found.tokens is None else Usage(found.tokens, 0)
        return Reply(json.dumps(found.alike), usage=usage)

    async def close(self) -> None:
        await self._likeness.embedder.close()


def likeness_request(own: str, others: Sequence[str]) -> Request:
    """Give what a `LikenessModel` is asked."""
    return Request(tuple(Message("user", text) for text in (own, *others)), max_tokens=0)


def likeness_said(answer: str, texts: int) -> Alike | None:
    """Read the answer of a `LikenessModel`, None if it cannot be. texts: that it chose from."""
    try:
        row, similarity = json.loads(answer)
        found = Alike(int(row), float(similarity))
    except (ValueError, TypeError):
        return None
    return found if 0 <= found.row < texts else None


def is_service(embedder: str) -> bool:
    """Tell whether an embedder of this name is asked over a network."""
    return embedder.startswith(SERVICE)
