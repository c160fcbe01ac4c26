"""Small inputs of odd shapes, and slices of real ones: what the functional hash looks at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from evolve.task import Instance, rng

from .features import BINS, as_rows, features

# (number of the train pool, k): three domains, 3,990 items of the 4,096 and more in all.
SLICES = ((0, 60), (1, 133), (2, 266))
SLICE = 1330
# Gibberish: words of one kind of documents are drawn from one kind of letters.
LETTERS = (b"aeioulmnrst", b"bcdfghkpqvwxyz", b"0123456789abcdef")
ENDS = (b" ", b" ", b" ", b".\n", b"(", b"_")

Described = tuple[str, dict[str, np.ndarray], dict[str, np.ndarray]]


def probes(real: Callable[[], Iterable[Described]]) -> Iterator[Instance]:
    """Give the probes; the first is tiny, and no two of its dimensions are equal.

    real: gives the train pools; called when the synthetic probes are through.
    """
    docs, target = gibberish("sizes", n=53, length=96, target=11)
    yield _described("sizes", docs, target, k=7)
    docs, target = gibberish("ties", n=66, length=80, target=9)
    # Every document twice, and again rounded to few letters: equal features, equal scores.
    yield _described(
        "ties", np.concatenate([docs[:33], docs[:33] // 8 * 8, docs[:33]]), target, k=20
    )
    docs, target = gibberish("short", n=41, length=24, target=5)
    docs[::3, 9:] = 0
    yield _described("short and more than there are", docs, target, k=50)
    constant = np.full((37, 48), ord("a"), dtype=np.uint8)
    constant[5] = target[0, 0]
    yield _described("constant", constant, np.resize(target, (3, 48)), k=10)
    docs, target = gibberish("long", n=29, length=4000, target=4)
    yield _described("long", docs, target, k=8)
    pools = list(real())
    for number, k in SLICES:
        _, public, _ = pools[number % len(pools)]
        yield _instance(f"slice {number}", first_rows(public, SLICE), k)


def first_rows(public: Mapping[str, np.ndarray], count: int) -> dict[str, np.ndarray]:
    """Give what selectors see of the first documents of a pool, with the features of the whole."""
    size = len(public["docs"])
    rows = {
        key: array[:count]
        for key, array in public.items()
        if len(array) == size and not key.startswith("target")
    }
    return {**public, **rows}


def gibberish(name: str, *, n: int, length: int, target: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw documents (n, length) and targets (target, length) of words that are none."""
    draw = rng("data_selection_text", "probe", name)
    words = [
        [bytes(draw.choice(list(letters), draw.integers(2, 9)).tolist()) for _ in range(40)]
        for letters in LETTERS
    ]

    def document(kind: int) -> bytes:
        mixed = words[kind] if draw.random() < 0.7 else words[kind] + words[0]
        # Words are as unequal as those of a language, and three bytes long or more with their end.
        count = length // 3 + 1
        picks = np.minimum(draw.geometric(0.08, count), len(mixed)) - 1
        ends = draw.integers(0, len(ENDS), count)
        return b"".join(mixed[i] + ENDS[end] for i, end in zip(picks, ends, strict=True))

    docs = [document(int(draw.integers(0, len(LETTERS)))) for _ in range(n)]
    return as_rows(docs, length), as_rows([document(0) for _ in range(target)], length)


def _described(name: str, docs: np.ndarray, target: np.ndarray, k: int) -> Instance:
    return _instance(name, {"docs": docs, "target": target, **features(docs, target)}, k)


def _instance(name: str, public: Mapping[str, Any], k: int) -> Instance:
    feats = {key: value for key, value in public.items() if key not in ("docs", "target")}
    size = len(public["docs"])
    return Instance(
        name=f"probe-{name.replace(' ', '-')}",
        public={
            "docs": public["docs"],
            "target": public["target"],
            "k": k,
            "feats": {**feats, "gram_bins": BINS, "budget_frac": min(k / size, 1.0)},
        },
    )
