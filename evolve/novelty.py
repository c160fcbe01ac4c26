"""How new a program is: its distance in behaviour, and in text, to those that are known.

A sketch stands for a record: a row of fixed length, so that one pass over a matrix of rows tells
how far one program is from ten thousand others.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from evolve.behaviour import Family, family, logarithms
from evolve.decisions import Decision, read
from evolve.sampling import key64, lowest, mixed, places

# A program nearer than this to an elite is a near-duplicate of it: of a mask or an order fewer than
# one decision in twenty is another, of a set fewer than one member in 39. Published programs are
# far apart: of those of data_selection the nearest two are at 0.56.
NEAR = 0.05
# The bits of a sketch, shared equally by its probes: 2 KB, and some 7 ms for a pass over 10,000.
# The indices of six probes with up to 2,688 items each fit.
SKETCH_BITS = 16_384
# The values of a sketch, likewise: some 9 ms for a pass, since each costs an exponential.
SKETCH_VALUES = 512
# Of a set with members beyond the bits so many are taken for each eight bits. Then few of them fall
# on one bit, and distances come out too small by 0.07 at the most.
CROWD = 8
WORD = 64
# Rows compared at a time, so that what is worked on stays in a core's cache.
ROWS_AT_A_TIME = 256
# Also `Verdict: **NOT NOVEL**`, but no sentence that happens to begin with the word.
VERDICT = re.compile(
    r"^[\W_]*(?:verdict[\W_]+)?(?P<no>not[ \t_-]+)?novel(?![\w-]| +\w)",
    re.IGNORECASE | re.MULTILINE,
)


class Nearest(NamedTuple):
    """The nearest row. distance: from 0 to 1."""

    row: int
    distance: float


class Alike(NamedTuple):
    """The row most alike. similarity: cosine, from -1 to 1."""

    row: int
    similarity: float


def sketch(form: str, record: bytes) -> np.ndarray:
    """Give the row of a record, (m,) uint64; m follows from the form and the number of probes.

    Distances of rows are those of records as far as a probe fits its share of the sketch: exact
    outputs always; masks, and pairs of a ranking, of up to 16,384 bits over the number of probes;
    sets and top k whose members lie between 0 and that; up to 512 values over that number. Of more
    bits or values a sample is compared: the standard error is at most 0.004 of bits, 0.022 of
    values, and less than half of that at a distance of 0.05. Of sets beyond it a sample is folded
    by a hash: those of one size come out nearer by at most 0.07, those of unlike sizes further
    apart. Raises: ValueError for no record, or one of another form.
    """
    known = read(record)
    how, probes = family(form), len(known.decisions)
    # Whether digests are equal can be asked of any.
    if how != "equal" and known.form not in (None, form):
        raise ValueError(f"a record of the form {known.form}, not {form}")
    frames = np.array([_frame(how, each) for each in known.decisions], dtype=np.uint64)
    counts, payloads = zip(
        *(_payload(how, each, _words(how, probes)) for each in known.decisions), strict=True
    )
    head = np.array([probes, *counts], dtype=np.uint64)
    return np.concatenate([head[:1], frames, head[1:], *payloads])


def distances(row: np.ndarray, matrix: np.ndarray, form: str) -> np.ndarray:
    """Give the distance of a sketch to each row of a matrix, (n,) float64 from 0 to 1.

    row: (m,); matrix: (n, m), sketches of the same task. Symmetric, and 0 for equal rows.
    Raises: ValueError for rows of another length.
    """
    if matrix.ndim != 2 or matrix.shape[1:] != row.shape:
        raise ValueError(f"a sketch of shape {row.shape} beside a matrix of {matrix.shape}")
    how = family(form)
    blocks = range(0, len(matrix), ROWS_AT_A_TIME)
    parts = [_block_distances(how, row, matrix[at : at + ROWS_AT_A_TIME]) for at in blocks]
    return np.concatenate([np.empty(0), *parts])


def nearest(row: np.ndarray, matrix: np.ndarray, form: str) -> Nearest | None:
    """Give the nearest row of a matrix, of equally near ones the first; None if it has none."""
    if not len(matrix):
        return None
    apart = distances(row, matrix, form)
    index = int(np.argmin(apart))
    return Nearest(index, float(apart[index]))


def kernel(records: Sequence[bytes]) -> np.ndarray:
    """Give how alike each two records are, 1 - distance by their sketches: (n, n), n at least 1.

    Where an old record is among them, which has digests only: the share of probes on which two
    decide alike. Positive semidefinite with ones on its diagonal: a mean over probes of kernels
    that are (Jaccard's: Gower 1971; equality of bits; exp(-|x - y|) of values), each 0 between
    failures, or shapes, that differ.
    Raises: ValueError for records of other forms or of other probes.
    """
    forms = {read(record).form for record in records}
    form = forms.pop() if len(forms) == 1 else None
    rows = np.stack([sketch(form or "exact", record) for record in records])
    return 1.0 - np.stack([distances(row, rows, form or "exact") for row in rows])


def similar(embeddings: np.ndarray, own: np.ndarray, threshold: float) -> Alike | None:
    """Give the text most alike to one's own, of equal ones the first, if it passes a threshold.

    embeddings: (n, d), own: (d,), all of length 1. threshold: a cosine; ShinkaEvolve takes
    0.95 to 0.99 (Lange et al. 2025, arXiv 2509.19349).
    """
    if not len(embeddings):
        return None
    cosines = embeddings @ own
    index = int(np.argmax(cosines))
    found = Alike(index, float(cosines[index]))
    return found if found.similarity >= threshold else None


def says_novel(answer: str) -> bool:
    """Read a judge's verdict, NOVEL or NOT NOVEL at the beginning of a line; the last one counts.

    Whatever cannot be read counts as novel: a program is not given up for a bad answer.
    """
    verdicts = [found["no"] is None for found in VERDICT.finditer(answer)]
    return verdicts[-1] if verdicts else True


def _frame(how: Family, decision: Decision) -> int:
    """Give 64 bits that must be equal for two decisions to be nearer than 1."""
    if decision.numbers is None or how == "equal":
        return key64(decision.digest.encode())
    return decision.frame


def _words(how: Family, probes: int) -> int:
    """Tell how many words of 64 bits a sketch has for the numbers of a probe; one at least."""
    if how == "equal":
        return 0
    if how == "values":
        return max(SKETCH_VALUES // probes // 2, 1)
    return max(SKETCH_BITS // probes // WORD, 1)


def _payload(how: Family, decision: Decision, words: int) -> tuple[int, np.ndarray]:
    """Give how many numbers of a probe are compared, and these: (words,) uint64."""
    numbers = decision.numbers
    if numbers is None or how == "equal":
        return 0, np.zeros(words, dtype=np.uint64)
    if how == "values":
        values = np.zeros(2 * words, dtype=np.float32)
        kept = logarithms(numbers[places(len(numbers), 2 * words)])
        values[: len(kept)] = kept
        return len(kept), values.view(np.uint64)
    bits = np.zeros(WORD * words, dtype=bool)
    if how == "members":
        bits[_places_of(numbers, len(bits))] = True
        return int(bits.sum()), np.packbits(bits).view(np.uint64)
    sample = numbers[places(len(numbers), len(bits))]
    bits[: len(sample)] = sample
    return len(sample), np.packbits(bits).view(np.uint64)


def _places_of(members: np.ndarray, limit: int) -> np.ndarray:
    """Give each member its own place, and those beyond the limit one by their hash."""
    outside = (members < 0) | (members >= limit)
    if not outside.any():
        return members
    kept = lowest(members, limit // CROWD)
    outside = (kept < 0) | (kept >= limit)
    return np.where(outside, (mixed(kept) % np.uint64(limit)).astype(np.int64), kept)


def _block_distances(how: Family, row: np.ndarray, block: np.ndarray) -> np.ndarray:
    """Give the mean over probes of how far some rows are from one, (b,)."""
    probes = int(row[0])
    body, start = row[1 : 1 + 2 * probes], 1 + 2 * probes
    heads = block[:, 1:start].reshape(-1, 2, probes)
    comparable = heads[:, 0] == body[:probes]
    apart = np.zeros(comparable.shape)
    if how != "equal":
        numbers = block[:, start:], row[start:]
        sizes = heads[:, 1].astype(np.float64), body[probes:].astype(np.float64)
        apart = _apart(how, *numbers, *sizes)
    means: np.ndarray = np.where(comparable, apart, 1.0).mean(axis=1)
    return means


def _apart(
    how: Family, block: np.ndarray, row: np.ndarray, counts: np.ndarray, count: np.ndarray
) -> np.ndarray:
    """Give how far the numbers of each probe are apart, (b, probes).

    block: (b, probes * words), row: (probes * words,); counts: (b, probes), count: (probes,), how
    many numbers there are. What fills up the words is 0 in both, and so adds nothing.
    """
    shape, size = (len(block), len(count), -1), np.maximum(count, 1)
    apart: np.ndarray
    if how == "values":
        gaps = block.view(np.float32) - row.view(np.float32)
        np.abs(gaps, out=gaps)
        np.negative(gaps, out=gaps)
        np.expm1(gaps, out=gaps)
        apart = -gaps.reshape(shape).sum(-1, dtype=np.float64) / size
    elif how == "bits":
        apart = np.bitwise_count(block ^ row).reshape(shape).sum(-1, dtype=np.int64) / size
    else:
        shared = np.bitwise_count(block & row).reshape(shape).sum(-1, dtype=np.int64)
        union = counts + count - shared
        apart = np.where(union > 0, 1 - shared / np.maximum(union, 1), 0.0)
    return apart
