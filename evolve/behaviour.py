"""What a program decided on each probe: its record, and how far two of them are apart.

A functional hash only tells equal from not. A record holds, besides the digests that the hash is
made of, the decisions themselves, in the canonical form of the task and cut to a bound.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Any, Literal, NamedTuple

import numpy as np

from evolve import decisions, hashing
from evolve.decisions import Decision, Record
from evolve.sampling import key64, lowest, pairs, places

# How decisions are compared: the members of sets by Jaccard, bits by Hamming (truth values, or
# which of two items comes first: Kendall), values by their ratio, and what a task calls exact by
# nothing but equality.
Family = Literal["members", "bits", "values", "equal"]
FAMILIES: dict[str, Family] = {
    "set": "members",
    "topk": "members",
    "mask": "bits",
    "ranking": "bits",
    "float": "values",
    "table": "values",
    "trace": "values",
    "exact": "equal",
}
# The bound of a record's decisions, shared equally by its probes: 8,192 members of sets or half a
# million bits. Choices out of some thousand items stay whole, and compress to a few KB.
RECORD_BYTES = 65_536
# Values hardly compress: ten thousand programs with as many as this take 160 MB of an archive. The
# standard error of a distance by 2,048 values is at most 0.011, and 0.005 at a distance of 0.05.
VALUE_BYTES = 16_384
# Of very many probes each keeps a little: on fewer numbers a distance says nothing.
MIN_PROBE_BYTES = 128
# Of a ranking so many pairs are looked at: the standard error of a distance is at most 0.008 a
# probe, and 0.0035 at a distance of 0.05.
MAX_PAIRS = 4096
# What is smaller counts as nothing, where values are compared by their ratio.
ZERO = 1e-9
# Where infinity and NaN stand among logarithms, which end at 731: at 1 from all other values.
INFINITY_AT, NAN_AT = 2000.0, 4000.0
INVALID = "invalid"


def family(form: str) -> Family:
    """Tell how decisions of a canonical form are compared."""
    return FAMILIES[form.partition(":")[0]]


def record(form: str, outcomes: Iterable[tuple[str, str, Any]]) -> bytes:
    """Write down what a program decided. outcomes: (name, status, output or None) of every probe.

    What exceeds the bound is sampled by a rule that is the same for all programs: members of a set
    and places of a mask or of values by a hash of them, pairs of a ranking by their number.
    Raises: ValueError if there are no probes.
    """
    listed = list(outcomes)
    if not listed:
        raise ValueError("a record of no probe: a task has one at least")
    bound = RECORD_BYTES if family(form) in ("members", "bits") else VALUE_BYTES
    room = max(bound // len(listed), MIN_PROBE_BYTES)
    return decisions.written(Record(form, tuple(_decision(form, *each, room) for each in listed)))


def digest_of(form: str, name: str, status: str, output: Any) -> str:
    """Give the digest of what a program did on one probe: of its output, or how it failed."""
    if status != "ok":
        # The kind of failure is behaviour; its message may name lines and is not.
        return status
    try:
        return hashing.digest((), form, [(name, output)])
    except (ValueError, TypeError):
        return INVALID


def distance(form: str, one: bytes, other: bytes) -> float:
    """Tell how far two records are apart, from 0 (alike) to 1: the mean over the probes.

    Of sets and top k the Jaccard distance; of masks the share of places that differ (Hamming); of
    rankings the share of pairs in another order (Kendall), on at most 4,096 pairs; of floats, tables
    and traces the mean over values of 1 - exp(-|L(x) - L(y)|), where L(v) is
    sign(v) ln(1 + |v| / 1e-9): for values of one sign 1 - min / max of their sizes. Exact outputs
    are at 0 or 1, and so is what has another shape, what failed, and what stands in old records.
    Sets cut to the bound are compared as cut: those of unlike sizes come out further apart.
    Symmetric; 1 - distance is a positive semidefinite kernel.
    Raises: ValueError for records of other forms or of other probes.
    """
    apart = [_apart(family(form), a, b) for a, b in _paired(form, one, other)]
    return math.fsum(apart) / len(apart)


def tolerant_match(form: str, one: bytes, other: bytes, rtol: float) -> bool:
    """Tell whether two records are equal but for the last digits of floats.

    rtol: relative to the larger of two values, whose size counts as 1e-9 at least. All else must
    be equal: statuses, shapes, texts and whole numbers. Where a record keeps a sample of the
    floats, these must match. Sets, masks, top k and rankings are decisions: equal or not.
    Raises: ValueError for records of other forms or of other probes.
    """
    return all(_matches(family(form), a, b, rtol) for a, b in _paired(form, one, other))


def logarithms(values: np.ndarray) -> np.ndarray:
    """Give L(v), of which `distance` tells; a place of their own to infinities and NaN."""
    size = np.where(np.isfinite(values), np.abs(values), 0.0)
    logs = np.copysign(np.log(size + ZERO) - np.log(ZERO), values)
    logs = np.where(np.isinf(values), np.copysign(INFINITY_AT, values), logs)
    return np.where(np.isnan(values), NAN_AT, logs)


def _paired(form: str, one: bytes, other: bytes) -> list[tuple[Decision, Decision]]:
    first, second = decisions.read(one), decisions.read(other)
    for each in (first, second):
        if each.form not in (None, form):
            raise ValueError(f"a record of the form {each.form}, not {form}")
    if len(first.decisions) != len(second.decisions):
        numbers = f"{len(first.decisions)} and {len(second.decisions)}"
        raise ValueError(f"records of {numbers} probes: both must be of the same")
    return list(zip(first.decisions, second.decisions, strict=True))


def _apart(how: Family, one: Decision, other: Decision) -> float:
    if one.digest == other.digest:
        return 0.0
    if one.numbers is None or other.numbers is None or one.frame != other.frame or how == "equal":
        return 1.0
    if not len(one.numbers) and not len(other.numbers):
        return 0.0
    if how == "members":
        shared = len(np.intersect1d(one.numbers, other.numbers, assume_unique=True))
        return 1.0 - shared / (len(one.numbers) + len(other.numbers) - shared)
    # Bits and values are as many as the other's, since their frames are equal.
    if how == "bits":
        return float(np.mean(one.numbers != other.numbers))
    gaps = np.abs(logarithms(one.numbers) - logarithms(other.numbers))
    return float(np.mean(-np.expm1(-gaps)))


def _matches(how: Family, one: Decision, other: Decision, rtol: float) -> bool:
    if one.digest == other.digest:
        return True
    if how in ("members", "bits") or one.numbers is None or other.numbers is None:
        return False
    if (one.frame, one.firm) != (other.frame, other.firm):
        return False
    x, y = one.numbers, other.numbers
    with np.errstate(invalid="ignore"):  # infinities are compared by equality alone
        near = np.abs(x - y) <= rtol * np.maximum(np.maximum(np.abs(x), np.abs(y)), ZERO)
    same = (x == y) | (np.isnan(x) & np.isnan(y))
    return bool(np.all(same | (near & np.isfinite(x) & np.isfinite(y))))


def _decision(form: str, name: str, status: str, output: Any, room: int) -> Decision:
    digest = digest_of(form, name, status, output)
    if status != "ok" or digest == INVALID:
        return Decision(status, digest)
    return Decision(status, digest, *_comparable(form, output, room))


class _Comparable(NamedTuple):
    """What of a Decision comes from an output that has a canonical form."""

    frame: int
    firm: int
    numbers: np.ndarray


def _comparable(form: str, output: Any, room: int) -> _Comparable:
    """Cut an output to what is compared of it, in at most so many bytes."""
    kind, _, argument = form.partition(":")
    if kind == "set":
        chosen = hashing.members(output).astype(np.int64)
        return _Comparable(0, 0, lowest(chosen, room // 8))
    if kind == "mask":
        parts = hashing.masks(output)
        bits = np.concatenate([part.ravel() for part in parts])
        shapes = [list(part.shape) for part in parts]
        return _Comparable(_frame(shapes), 0, bits[places(len(bits), 8 * room)])
    if kind in ("ranking", "topk"):
        shapes, orders = hashing.orders(output)
        if kind == "ranking":
            return _Comparable(_frame(shapes), 0, _signs(orders, min(MAX_PAIRS, 8 * room)))
        return _Comparable(_frame(shapes), 0, lowest(_tops(orders, int(argument)), room // 8))
    tree = _Tree()
    tree.add(output)
    values = np.concatenate([np.empty(0), *tree.numbers])
    return _Comparable(*tree.keys, values[places(len(values), room // 8)])


def _frame(shapes: list[list[int]]) -> int:
    return key64(repr(shapes).encode())


def _tops(orders: Sequence[np.ndarray], k: int) -> np.ndarray:
    """Give the first k items of each part, ascending; items are numbered through the parts."""
    starts = accumulate((len(order) for order in orders), initial=0)
    tops = [start + order[:k] for start, order in zip(starts, orders, strict=False)]
    return np.sort(np.concatenate(tops))


def _signs(orders: Sequence[np.ndarray], limit: int) -> np.ndarray:
    """Tell of fixed pairs of items of each part whether the first of them comes first."""
    signs = []
    for order in orders:
        first, second = pairs(len(order), max(limit // len(orders), 1))
        rank = np.empty(len(order), dtype=np.int64)
        rank[order] = np.arange(len(order))
        signs.append(rank[first] < rank[second])
    return np.concatenate(signs)


class _Tree:
    """A tree of arrays and plain values, taken apart: its numbers, and keys of all the rest.

    numbers: vectors of float64, in the order of the tree; those that are no floats are in the
    firm key too. Only trees that have a canonical form may be added.
    """

    def __init__(self) -> None:
        self.numbers: list[np.ndarray] = []
        self._frame, self._firm = hashlib.blake2b(digest_size=8), hashlib.blake2b(digest_size=8)

    @property
    def keys(self) -> tuple[int, int]:
        """Give the frame and the firm key."""
        frame, firm = self._frame.digest(), self._firm.digest()
        return int.from_bytes(frame, "little"), int.from_bytes(firm, "little")

    def add(self, value: Any) -> None:
        if value is None or isinstance(value, str | bytes):
            self._frame.update(hashing.canonical("exact", value))
        elif isinstance(value, dict):
            self._frame.update(b"d" + hashing.canonical("exact", sorted(value)))
            for key in sorted(value):
                self.add(value[key])
        elif isinstance(value, list | tuple):
            self._frame.update(b"l%d " % len(value))
            for item in value:
                self.add(item)
        elif isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 2**63:
            self._add_numbers(np.array(_rounded(value)), hashing.canonical("exact", value))
        else:
            self._add_array(np.asarray(value))

    def _add_array(self, array: np.ndarray) -> None:
        if array.dtype.kind == "c":
            self._add_numbers(np.stack([array.real, array.imag], -1), b"c")
        elif array.dtype.kind == "f":
            self._add_numbers(array, b"f")
        else:
            self._add_numbers(array, hashing.canonical("exact", array))

    def _add_numbers(self, array: np.ndarray, firm: bytes) -> None:
        self._frame.update(b"a" + repr(array.shape).encode())
        self._firm.update(firm)
        self.numbers.append(array.ravel().astype(np.float64))


def _rounded(number: int) -> float:
    try:
        return float(number)
    except OverflowError:
        return math.copysign(math.inf, number)
