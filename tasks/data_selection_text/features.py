"""What is measured of documents before any is chosen: hashed words, n-gram models, compressed sizes.

Imports numpy and the standard library only: the same file makes these features of a user's own
documents, beside an exported program.
"""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

BINS = 8192
# Of 512 bytes of text or code hardly one document in a hundred has more; of random bytes many have.
MOST_GRAMS = 256
EMBEDDING = 64
# Words are divided into fewer bins before their directions are sought, which makes that quick.
COARSE_BINS = 1024
PASSES = 3  # of the subspace iteration: directions are told apart well enough
# Letters, digits and _ make words; what else is no white space makes words of its own.
WORD = re.compile(rb"[a-z0-9_]+|[^a-z0-9_\s\0]+")
# An n-gram model looks at so many bytes before a place, and believes a context it has seen `n`
# times by n / (n + WEIGHT), the shorter one for the rest.
ORDER, WEIGHT = 3, 5.0
PAIRS, CONTEXTS = 1 << 20, 1 << 18  # slots of the hashed counts
BYTES = 256
MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # 2^64 over the golden ratio: Knuth's hash

Grams = tuple[np.ndarray, np.ndarray]
"""Bins (n, G) int16 and counts (n, G) float32; rows are filled up with counts of zero."""


def as_rows(texts: Sequence[bytes], length: int) -> np.ndarray:
    """Lay texts into rows (n, length) uint8, cut at `length` and padded with zeros."""
    rows = np.zeros((len(texts), length), dtype=np.uint8)
    for row, text in zip(rows, texts, strict=True):
        piece = text[:length].replace(b"\0", b" ")
        row[: len(piece)] = np.frombuffer(piece, dtype=np.uint8)
    return rows


def features(docs: np.ndarray, target: np.ndarray) -> dict[str, np.ndarray]:
    """Describe a pool (N, L) and target documents (m, L), both uint8 and padded with zeros.

    Of hashed words and pairs of words a document has gram_count[i, j] of bin gram_bin[i, j]; rows are
    filled up with counts of zero. `brief.md` names all keys. float32, but for `gram_bin`, int16.
    """
    words, target_words = _grams(docs), _grams(target)
    prior, wanted = _bits(docs, target)
    embeddings = _embeddings(words, target_words)
    return {
        "gram_bin": words[0],
        "gram_count": words[1],
        "target_gram_bin": target_words[0],
        "target_gram_count": target_words[1],
        "bytes": _histogram(docs),
        "target_bytes": _histogram(target),
        "ratio": _ratio(docs),
        "target_ratio": _ratio(target),
        "bits_prior": prior[0],
        "target_bits_prior": prior[1],
        "bits_target": wanted[0],
        "target_bits_target": wanted[1],
        "emb": embeddings[0],
        "target_emb": embeddings[1],
    }


def _grams(docs: np.ndarray) -> Grams:
    """Count words and pairs of neighbouring words of every document, by crc32 into BINS bins.

    Where a document has more than MOST_GRAMS bins, those that it has most of are kept.
    """
    found = []
    for doc in docs:
        words = WORD.findall(doc.tobytes().lower())
        pairs = [b" ".join(pair) for pair in pairwise(words)]
        found.append(Counter(zlib.crc32(gram) % BINS for gram in words + pairs))
    width = min(max([len(counts) for counts in found] + [1]), MOST_GRAMS)
    bins = np.zeros((len(docs), width), dtype=np.int16)
    counts = np.zeros((len(docs), width), dtype=np.float32)
    for row, each in enumerate(found):
        kept = sorted(each.most_common(width))
        bins[row, : len(kept)] = [place for place, _ in kept]
        counts[row, : len(kept)] = [count for _, count in kept]
    return bins, counts


def _histogram(docs: np.ndarray) -> np.ndarray:
    """Give the share of every byte value (n, 256); padding does not count."""
    counts = np.stack([np.bincount(doc, minlength=BYTES) for doc in docs]).astype(np.float32)
    counts[:, 0] = 0
    return counts / np.maximum(counts.sum(1, keepdims=True), 1)


def _ratio(docs: np.ndarray) -> np.ndarray:
    """Give compressed size over size (n,), by zlib."""
    texts = [doc.tobytes().rstrip(b"\0") for doc in docs]
    sizes = [len(zlib.compress(text, 6)) / max(len(text), 1) for text in texts]
    return np.array(sizes, dtype=np.float32)


def _bits(
    docs: np.ndarray, target: np.ndarray
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Give bits per byte of pool and target documents, under models of the pool and of the target.

    No document is told by a model that has counted it: every second one is told by the model of
    the others.
    """
    pool, wanted = _Places(docs), _Places(target)
    halves = [_Ngrams(pool.of(slice(half, None, 2))) for half in (0, 1)]
    target_halves = [_Ngrams(wanted.of(slice(half, None, 2))) for half in (0, 1)]
    return (
        (_by_the_other_half(halves, pool), halves[0].bits(wanted)),
        (_Ngrams(wanted).bits(pool), _by_the_other_half(target_halves, wanted)),
    )


def _by_the_other_half(halves: list[_Ngrams], places: _Places) -> np.ndarray:
    bits = np.empty(len(places.real), dtype=np.float32)
    for half in (0, 1):
        bits[half::2] = halves[1 - half].bits(places.of(slice(half, None, 2)))
    return bits


class _Places:
    """All places of documents (n, L): slots of contexts and of pairs, for 0 to ORDER bytes of context.

    slots: (n, L) int64, two for each length of context. real: (n, L), where there is a byte at all.
    Before a document there are zeros.
    """

    def __init__(self, docs: np.ndarray) -> None:
        self.real = docs != 0
        self.slots = []
        code = np.zeros(docs.shape, dtype=np.uint64)
        for order in range(ORDER + 1):
            if order:
                code[:, order:] += docs[:, :-order].astype(np.uint64) << np.uint64(8 * order)
            self.slots.append((_slots(code, CONTEXTS, order), _slots(code + docs, PAIRS, order)))

    def of(self, rows: slice) -> _Places:
        """Give the places of some documents."""
        some = object.__new__(_Places)
        some.real = self.real[rows]
        some.slots = [(context[rows], pair[rows]) for context, pair in self.slots]
        return some


class _Ngrams:
    """Counts of a byte after up to ORDER bytes, in hashed tables; shorter contexts back longer."""

    def __init__(self, places: _Places) -> None:
        self.counts = [
            (
                np.bincount(context[places.real], minlength=CONTEXTS),
                np.bincount(pair[places.real], minlength=PAIRS),
            )
            for context, pair in places.slots
        ]

    def bits(self, places: _Places) -> np.ndarray:
        """Give the mean of -log2 P(byte) of every document, (n,) float32."""
        chance = np.full(places.real.shape, 1 / BYTES, dtype=np.float32)
        for (contexts, pairs), (context, pair) in zip(self.counts, places.slots, strict=True):
            chance = (pairs[pair] + WEIGHT * chance) / (contexts[context] + WEIGHT)
        # Two contexts in one slot can make a count of a pair larger than that of its context.
        bits = -np.log2(np.clip(chance, 1e-9, 1)) * places.real
        return (bits.sum(1) / np.maximum(places.real.sum(1), 1)).astype(np.float32)


def _slots(code: np.ndarray, slots: int, order: int) -> np.ndarray:
    """Hash codes into slots, a power of two; codes that fit have a slot of their own."""
    if BYTES ** (order + 1) <= slots:
        return code.astype(np.int64)
    shift = np.uint64(64 - (slots.bit_length() - 1))
    return ((code * MULTIPLIER) >> shift).astype(np.int64)


def _embeddings(words: Grams, target_words: Grams) -> tuple[np.ndarray, np.ndarray]:
    """Give rows of length one, (N, 64) and (m, 64): latent semantic analysis of the pool.

    Square roots of counts times log inverse document frequency, and the leading directions of what
    lies within the pool (Deerwester et al. 1990, "Indexing by Latent Semantic Analysis").
    """
    bins, counts = words
    seen = np.bincount(bins[counts > 0] % COARSE_BINS, minlength=COARSE_BINS)
    rare = np.log1p(len(bins) / (1 + seen)).astype(np.float32)
    pool, target = _weighed(words, rare), _weighed(target_words, rare)
    # A fixed start: equal documents, equal directions.
    start = np.random.default_rng(0).standard_normal((COARSE_BINS, EMBEDDING), dtype=np.float32)
    basis, _ = np.linalg.qr(start)
    for _ in range(PASSES):
        basis, _ = np.linalg.qr(pool.T @ (pool @ basis))
    return _of_length_one(pool @ basis), _of_length_one(target @ basis)


def _weighed(words: Grams, rare: np.ndarray) -> np.ndarray:
    bins, counts = words
    places = np.arange(len(bins))[:, None] * COARSE_BINS + bins % COARSE_BINS
    sums = np.bincount(places.ravel(), weights=counts.ravel(), minlength=len(bins) * COARSE_BINS)
    return _of_length_one(np.sqrt(sums.reshape(len(bins), -1)) * rare)


def _of_length_one(rows: np.ndarray) -> np.ndarray:
    return (rows / (np.linalg.norm(rows, axis=1, keepdims=True) + 1e-9)).astype(np.float32)
