"""What a program decided on each probe, and the bytes in which an archive keeps it.

The bytes: a mark with the version, then compressed with zlib the form, the number of probes and
for each probe status, digest, the two keys and the numbers, each behind its length. Nothing in them
is run or unpickled. Records from before were JSON, {"statuses", "digests"}, and are read as such.
"""

from __future__ import annotations

import json
import struct
import zlib
from dataclasses import dataclass

import numpy as np

MARK = b"evolve-record-2\n"
# Many times what a record holds; only so that no bytes can fill the memory.
MAX_BYTES = 16 * 2**20
# How numbers are written, by the letter before them: the narrowest that holds them.
INTEGERS = {b"1": "<u1", b"2": "<u2", b"4": "<u4", b"8": "<i8"}
NOTHING, BITS, FLOATS = b"-", b"b", b"f"


@dataclass(frozen=True, slots=True, eq=False)
class Decision:
    """What a program did on one probe.

    status: of its run. digest: of the canonical output, or how it failed. frame: stands for what
    must be equal for numbers to be comparable (shapes, keys, texts). firm: stands for all but
    the floats. numbers: None where it failed, or where an old record has the digest only; of a set
    or top k (m,) int64, its members; of a mask or ranking (m,) bool; else (m,) float64.
    """

    status: str
    digest: str
    frame: int = 0
    firm: int = 0
    numbers: np.ndarray | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """What a program did on all probes of a task, one at least. form: None in old records."""

    form: str | None
    decisions: tuple[Decision, ...]

    @property
    def digests(self) -> tuple[str, ...]:
        return tuple(decision.digest for decision in self.decisions)


def written(record: Record) -> bytes:
    """Give the bytes of a record; equal records have equal bytes on one kind of machine."""
    pieces = [_text(record.form or ""), struct.pack("<I", len(record.decisions))]
    for decision in record.decisions:
        keys = struct.pack("<QQ", decision.frame, decision.firm)
        pieces += [_text(decision.status), _text(decision.digest), keys, _numbers(decision.numbers)]
    return MARK + zlib.compress(b"".join(pieces))


def read(data: bytes) -> Record:
    """Read the bytes of a record. Raises: ValueError for anything else."""
    if data.startswith(b"{"):
        return _filled(_old(data))
    if not data.startswith(MARK):
        raise ValueError("not a record of this version: it opens with another mark")
    reader = _Reader(_expanded(data[len(MARK) :]))
    form = reader.text()
    (probes,) = reader.unpacked("<I")
    record = Record(form, tuple(reader.decision() for _ in range(probes)))
    reader.end()
    return _filled(record)


def _text(text: str) -> bytes:
    encoded = text.encode()
    return struct.pack("<B", len(encoded)) + encoded


def _numbers(numbers: np.ndarray | None) -> bytes:
    if numbers is None:
        return NOTHING
    count = struct.pack("<I", len(numbers))
    if numbers.dtype.kind == "b":
        return BITS + count + np.packbits(numbers).tobytes()
    if numbers.dtype.kind == "f":
        return FLOATS + count + numbers.astype("<f8").tobytes()
    least, most = (int(numbers.min()), int(numbers.max())) if len(numbers) else (0, 0)
    letter = next(
        letter
        for letter, kind in INTEGERS.items()
        if np.iinfo(kind).min <= least and most <= np.iinfo(kind).max
    )
    return letter + count + numbers.astype(INTEGERS[letter]).tobytes()


def _filled(record: Record) -> Record:
    if not record.decisions:
        raise ValueError("not a record: it tells of no probe")
    return record


def _old(data: bytes) -> Record:
    try:
        values = json.loads(data)
        rows = list(zip(values["statuses"], values["digests"], strict=True))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"not a record: {type(error).__name__}: {error}") from error
    if not all(isinstance(text, str) for row in rows for text in row):
        raise ValueError("not a record: its statuses and digests are texts")
    return Record(None, tuple(Decision(status, digest) for status, digest in rows))


def _expanded(data: bytes) -> bytes:
    stream = zlib.decompressobj()
    try:
        expanded = stream.decompress(data, MAX_BYTES)
    except zlib.error as error:
        raise ValueError(f"not a record: {error}") from error
    if not stream.eof or stream.unused_data:
        raise ValueError("not a record: it is cut, too long, or followed by something")
    return expanded


class _Reader:
    """Takes a record's fields off its bytes, and no more than there are."""

    def __init__(self, data: bytes) -> None:
        self._data, self._place = data, 0

    def decision(self) -> Decision:
        status, digest = self.text(), self.text()
        frame, firm = self.unpacked("<QQ")
        return Decision(status, digest, frame, firm, self._numbers())

    def text(self) -> str:
        (length,) = self.unpacked("<B")
        try:
            return self._take(length).decode()
        except UnicodeDecodeError as error:
            raise ValueError(f"not a record: {error}") from error

    def unpacked(self, format: str) -> tuple[int, ...]:
        values: tuple[int, ...] = struct.unpack(format, self._take(struct.calcsize(format)))
        return values

    def end(self) -> None:
        if self._place != len(self._data):
            raise ValueError("not a record: it holds more than it tells of")

    def _numbers(self) -> np.ndarray | None:
        letter = self._take(1)
        if letter == NOTHING:
            return None
        (count,) = self.unpacked("<I")
        if letter == BITS:
            packed = np.frombuffer(self._take((count + 7) // 8), dtype=np.uint8)
            return np.unpackbits(packed, count=count).astype(bool)
        if letter == FLOATS:
            return np.frombuffer(self._take(8 * count), dtype="<f8").astype(np.float64)
        if letter not in INTEGERS:
            raise ValueError(f"not a record: numbers of the kind {letter!r}")
        kind = np.dtype(INTEGERS[letter])
        return np.frombuffer(self._take(kind.itemsize * count), dtype=kind).astype(np.int64)

    def _take(self, length: int) -> bytes:
        piece = self._data[self._place : self._place + length]
        if len(piece) < length:
            raise ValueError("not a record: it ends early")
        self._place += length
        return piece
