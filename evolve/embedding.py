"""Texts as vectors, so that programs can be told alike by their source, where a user asks for it."""

from __future__ import annotations

import ast
import asyncio
import importlib
import math
import re
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from types import ModuleType
from typing import Any, Protocol

import numpy as np

from evolve.errors import Unparsable, UsageError
from evolve.models.attempt import scrubbed
from evolve.models.keys import Keys
from evolve.models.names import PLACE, check_url
from evolve.models.refusals import late, malformed
from evolve.program import normalised

FORMS = "say tfidf, litellm/PROVIDER/NAME, litellm/PROVIDER/NAME@http://HOST:PORT/v1, or local/NAME"
# Programs are sent so many at a time: services take more, but bound the tokens of a request.
BATCH = 64
# Of one request; embedding takes a second or so.
PATIENCE_S = 60.0
# Of a TF-IDF row: a program has a few hundred different tokens and pairs of tokens, so that few of
# them meet in one place; ten thousand rows take 40 MB.
DIMENSIONS = 1024
# What normalisation calls local variables.
LOCAL = re.compile(r"%\d+")
TOKEN = re.compile(r"[A-Za-z_]\w*|\d[\w.]*|[^\w\s]+")


class Embedder(Protocol):
    """Gives texts their places in a space where like ones are near.

    name: as written in the settings.
    Laws: rows of length 1; a text's row does not depend on those beside it, nor on calls before.
    """

    name: str

    async def embed(self, texts: Sequence[str], timeout_s: float = PATIENCE_S) -> np.ndarray:
        """Give (n, d) float32, d the same in all calls (but of no text). Raises: FailedCall.

        timeout_s: of each request that it makes, if any.
        """

    async def close(self) -> None:
        """Let its connections go; it may be called again."""


def embedder_named(name: str, *, keys: Keys, corpus: Sequence[str] = ()) -> Embedder:
    """Give the embedder of a name.

    corpus: what tells TF-IDF which tokens are common, as the initial programs of a task.
    Raises: UsageError for an unknown form, a missing key or package.
    """
    kind, slash, rest = name.partition("/")
    if name == "tfidf":
        return TfIdf(corpus)
    found = PLACE.match(rest)
    if kind == "litellm" and found and "/" in found["model"]:
        if found["url"] is not None:
            check_url(found["url"], f"embedder {kind}/{found['model']}")
        return LitellmEmbedder(found["model"], name=name, keys=keys, url=found["url"])
    if kind == "local" and slash and rest:
        return LocalEmbedder(rest, name=name)
    raise UsageError(f"embedder {keys.scrub(name)}: {FORMS}")


class TfIdf:
    """The tokens of a program and its pairs of neighbours, each by how often and how rare it is.

    Of what Python can parse, comments, docstrings and the names of local variables do not count.
    corpus: texts whose tokens are common; the same ones for all that is to be compared.
    Source: term weights of Salton & Buckley 1988; hashed features of Weinberger et al. 2009,
    arXiv 0902.2206.
    """

    name = "tfidf"

    def __init__(self, corpus: Sequence[str] = ()) -> None:
        found = np.zeros(DIMENSIONS)
        for text in corpus:
            found[[place for place, _ in {_place(term) for term in _terms(text)}]] += 1
        self._rarity = np.log((1 + len(corpus)) / (1 + found)) + 1

    async def embed(self, texts: Sequence[str], timeout_s: float = PATIENCE_S) -> np.ndarray:
        return _normalised([self._row(text) for text in texts])

    async def close(self) -> None:
        pass

    def _row(self, text: str) -> np.ndarray:
        row = np.zeros(DIMENSIONS)
        for term, count in Counter(_terms(text)).items():
            place, sign = _place(term)
            row[place] += self._rarity[place] * sign * (1 + math.log(count))
        return row


class LitellmEmbedder:
    """A service's embedding model, through litellm.

    model: PROVIDER/NAME, as litellm calls it; name: as written in the settings. url: where the
    service is, None for where litellm knows it to be. One attempt a request, as with models.
    Raises: UsageError for a service that it does not know, or a variable that is missing.
    """

    def __init__(self, model: str, *, name: str, keys: Keys, url: str | None = None) -> None:
        from evolve.models import litellm_completion as adapter

        self.name = name
        self._adapter, self._litellm = adapter, adapter.load(f"embedder {name}", model)
        self._model, self._scrub = model, keys.scrub
        self._place = adapter.credentials(self._litellm, model, f"embedder {name}", keys, url)

    async def embed(self, texts: Sequence[str], timeout_s: float = PATIENCE_S) -> np.ndarray:
        return (await self.billed(texts, timeout_s))[0]

    async def billed(
        self, texts: Sequence[str], timeout_s: float = PATIENCE_S
    ) -> tuple[np.ndarray, int | None]:
        """Embed, and give the tokens that were billed too; None where the service tells none."""
        batches = [texts[at : at + BATCH] for at in range(0, len(texts), BATCH)]
        answers = [await self._answered(batch, timeout_s) for batch in batches]
        rows = [row for answered, _ in answers for row in answered]
        if len({len(row) for row in rows}) > 1:
            raise malformed("its rows are of different lengths")
        counts = [tokens for _, tokens in answers if tokens is not None]
        return _normalised(rows), sum(counts) if len(counts) == len(answers) else None

    async def close(self) -> None:
        """Let its connections go: all that litellm has, which keeps them for all of its models."""
        await self._litellm.close_litellm_async_clients()
        self._litellm.in_memory_llm_clients_cache.flush_cache()

    async def _answered(
        self, texts: Sequence[str], timeout_s: float
    ) -> tuple[list[list[float]], int | None]:
        try:
            async with asyncio.timeout(timeout_s):
                answer = await self._litellm.aembedding(
                    model=self._model,
                    input=list(texts),
                    encoding_format="float",
                    timeout=timeout_s,
                    num_retries=0,
                    max_retries=0,
                    caching=False,
                    **self._place,
                )
        except TimeoutError:
            raise late(timeout_s) from None
        except Exception as error:  # noqa: BLE001  (litellm raises whatever its many parts raise)
            raise scrubbed(self._adapter.failure(error), self._scrub) from None
        plain = answer.model_dump()
        return _read(plain, len(texts)), _tokens(plain)


class LocalEmbedder:
    """A model of sentence-transformers on this machine, which loads it at first use.

    model: its name or folder. Raises: UsageError if the package is missing, or the model.
    """

    def __init__(self, model: str, *, name: str) -> None:
        self.name = name
        self._package, self._model = _sentence_transformers(name), model
        self._encoder: Any = None

    async def embed(self, texts: Sequence[str], timeout_s: float = PATIENCE_S) -> np.ndarray:
        # A thread, since the search goes on while it computes; no deadline can end it.
        return _normalised(await asyncio.to_thread(self._encoded, list(texts)))

    async def close(self) -> None:
        self._encoder = None

    def _encoded(self, texts: list[str]) -> Any:
        if self._encoder is None:
            try:
                self._encoder = self._package.SentenceTransformer(self._model)
            except (OSError, ValueError) as error:
                raise UsageError(f"embedder {self.name}: cannot be loaded: {error}") from error
        return self._encoder.encode(texts, batch_size=BATCH, show_progress_bar=False)


def _terms(text: str) -> Iterator[str]:
    """Give the tokens of a program, and each two that stand side by side."""
    tokens = TOKEN.findall(_plain(text))
    yield from tokens
    yield from (" ".join(pair) for pair in pairwise(tokens))


def _plain(text: str) -> str:
    try:
        return LOCAL.sub("local", ast.unparse(normalised(text)))
    except (Unparsable, RecursionError):
        return text


def _place(term: str) -> tuple[int, int]:
    """Give the place of a term in a row, and the sign with which it counts there."""
    number = zlib.crc32(term.encode("utf-8", "surrogatepass"))
    return number % DIMENSIONS, 1 if number & 2**31 else -1


def _normalised(rows: Sequence[Any]) -> np.ndarray:
    """Bring rows of numbers to length 1; one of nothing but zeros is the first unit vector."""
    if not len(rows):
        return np.empty((0, 0), dtype=np.float32)
    matrix = np.array(rows, dtype=np.float64)
    matrix[~matrix.any(axis=1), 0] = 1.0
    matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
    return matrix.astype(np.float32)


def _read(answer: Any, number: int) -> list[list[float]]:
    """Take the rows out of an answer, in the order of the texts. Raises: FailedCall."""
    try:
        data = sorted(answer["data"], key=lambda item: int(item["index"]))
        rows = [[float(value) for value in item["embedding"]] for item in data]
    except (KeyError, TypeError, ValueError) as error:
        raise malformed(f"its embeddings cannot be read ({type(error).__name__})") from None
    if len(rows) != number or not all(rows):
        raise malformed(f"{len(rows)} embeddings for {number} texts, or empty ones")
    if not all(math.isfinite(value) for row in rows for value in row):
        raise malformed("its embeddings hold numbers that are not finite")
    return rows


def _tokens(answer: Any) -> int | None:
    """Take the tokens that an answer was billed for, None where it does not tell."""
    tokens = (answer.get("usage") or {}).get("prompt_tokens")
    return tokens if isinstance(tokens, int) and tokens > 0 else None


def _sentence_transformers(name: str) -> ModuleType:
    try:
        return importlib.import_module("sentence_transformers")
    except ImportError:
        raise UsageError(
            f"embedder {name}: it needs sentence-transformers: pip install sentence-transformers"
        ) from None
