"""Makes a discovered `select` a filter of texts: for `datasets.Dataset.filter`, or as a generator.

    from found import program_1a2b3c4d, filters

    chosen = filters.chosen(program_1a2b3c4d.select, texts, examples, share=0.1)
    small = dataset.filter(filters.Keep(chosen), with_indices=True)

    for row in filters.filtered(program_1a2b3c4d.select, rows, examples, share=0.1): ...

`examples` are texts of the kind that a model should be good at, some dozens. The program looks at the
first 512 bytes of every text, as in its search. Needs numpy; the library `datasets` is yours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np

from .features import BINS, as_rows, features

DOC_BYTES = 512
POOL = 3000  # documents of a pool in the search; features compare a document with its pool
FIELD = "text"
Row = TypeVar("Row")


class Keep:
    """Says of a row by its number whether it was chosen: `dataset.filter(Keep(chosen), with_indices=True)`.

    chosen: row numbers, as `chosen` gives them. With `batched=True` rows come as lists, numbers too.
    """

    def __init__(self, chosen: Iterable[int]) -> None:
        self.chosen = frozenset(int(row) for row in chosen)

    def __call__(self, example: Any, index: int | Sequence[int]) -> bool | list[bool]:
        if isinstance(index, int):
            return index in self.chosen
        return [int(row) in self.chosen for row in index]


def chosen(
    select: Callable[..., Any],
    texts: Sequence[str],
    examples: Sequence[str],
    *,
    share: float,
    rng_seed: int = 0,
    pool: int = POOL,
) -> np.ndarray:
    """Choose a share of texts, pool by pool; give their row numbers in ascending order.

    texts: any number; they are cut into pools of about `pool` consecutive ones, each of which gives
    its share. Shuffle them before if they are sorted. Raises: ValueError if there is nothing to
    choose from, or if the share is none.
    """
    if not 0 < share <= 1:
        raise ValueError(f"share is {share}: it must be above 0, and 1 at most")
    if not len(texts) or not len(examples):
        raise ValueError("there are no texts or no examples")
    target = as_rows([text.encode("utf-8", "replace") for text in examples], DOC_BYTES)
    draw = np.random.default_rng(rng_seed)
    found, begin = [], 0
    for part in np.array_split(np.arange(len(texts)), max(round(len(texts) / pool), 1)):
        docs = as_rows([texts[row].encode("utf-8", "replace") for row in part], DOC_BYTES)
        k = max(round(share * len(docs)), 1)
        feats = {**features(docs, target), "gram_bins": BINS, "budget_frac": k / len(docs)}
        rows = np.asarray(select(docs=docs, target=target, k=k, rng=draw, feats=feats))
        found.append(begin + np.sort(rows))
        begin += len(docs)
    return np.concatenate(found)


def filtered(
    select: Callable[..., Any],
    rows: Iterable[Row],
    examples: Sequence[str],
    *,
    share: float,
    text: Callable[[Row], str] = lambda row: row[FIELD],  # type: ignore[index]
    rng_seed: int = 0,
    pool: int = POOL,
) -> Iterator[Row]:
    """Pass on a share of a stream of rows, in its order; `pool` of them are held at a time.

    Every pool gives its share, so mix a sorted stream before. text: gives the text of a row, by
    default its field `text`.
    """
    held: list[Row] = []
    number = 0

    def passed() -> list[Row]:
        texts = [text(row) for row in held]
        seed = rng_seed + number
        best = chosen(select, texts, examples, share=share, rng_seed=seed, pool=len(texts))
        return [held[place] for place in best]

    for row in rows:
        held.append(row)
        if len(held) == pool:
            yield from passed()
            held, number = [], number + 1
    if held:
        yield from passed()
