"""Canonical forms of outputs, and the digests under which behaviour is recognised.

One mechanism serves both keys: the functional hash over probes, which predicts, and the outputs
digest over a block, under which grades are shared (Unified Functional Hashing, Gillard et al.
2023, arXiv 2302.05433). What is hashed is the decision, not the number.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

VERSION = b"evolve-outputs-1"
DIGEST_BYTES = 16


def digest(header: Iterable[str], form: str, outputs: Iterable[tuple[str, Any]]) -> str:
    """Give the hex digest of named outputs in a canonical form.

    header: whatever must be equal for two digests to be comparable (task, stage, world).
    outputs: (instance name, output) in the order of the block.
    Raises: ValueError if an output has no such form.
    """
    state = hashlib.blake2b(VERSION, digest_size=DIGEST_BYTES)
    for part in (*header, form):
        _write(state.update, b"h", part.encode())
    for name, output in outputs:
        _write(state.update, b"n", name.encode())
        _write(state.update, b"o", canonical(form, output))
    return state.hexdigest()


def canonical(form: str, output: Any) -> bytes:
    """Give the bytes that stand for an output: equal bytes, equal decision.

    form: "exact" (numbers by value, NaN and signed zero unified), "float:BITS" (mantissas rounded
    to so many bits), "set" (a vector of distinct integers in any order), "ranking" and "topk:K"
    (the order of scores, highest first, ties by index), "mask" (truth values), "table" and
    "trace" (exact). Shapes always count.
    Raises: ValueError if the output does not fit the form; a form never mends an output, or a
    good program would share the key of a bad one.
    """
    kind, _, argument = form.partition(":")
    if kind == "set":
        return _tree(members(output))
    if kind == "mask":
        return _tree([_is_several(output), masks(output)])
    if kind in ("ranking", "topk"):
        shapes, ranked = orders(output)
        tops = ranked if kind == "ranking" else [np.sort(o[: int(argument)]) for o in ranked]
        return _tree([_is_several(output), shapes, tops])
    if kind == "float":
        return _tree(output, bits=int(argument))
    return _tree(output)


def members(output: Any) -> np.ndarray:
    """Give a vector of distinct integers in ascending order. Raises: ValueError if it is none."""
    array = _array(output)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise ValueError(f"not a vector of integers, but {array.dtype} of shape {array.shape}")
    distinct = np.unique(array)
    if len(distinct) < len(array):
        raise ValueError(f"{len(array) - len(distinct)} items stand in it twice")
    return distinct


def masks(output: Any) -> list[np.ndarray]:
    """Give truth values, part by part. Raises: ValueError for NaN, or what is no array."""
    return [_finite(part).astype(bool) for part in _parts(output)]


def orders(output: Any) -> tuple[list[list[int]], list[np.ndarray]]:
    """Give the shape of each part, and its items by score: highest first, ties by index.

    Raises: ValueError for NaN, or what is no array of numbers.
    """
    scores = [_finite(part) for part in _parts(output)]
    return [list(part.shape) for part in scores], [_ranking(part) for part in scores]


def widened(value: Any) -> Any:
    """Give a tree with its numbers in the widest type of their kind, as digests see them.

    A grader is handed these, so that outputs of one digest are one and the same to it.
    """
    if isinstance(value, np.ndarray):
        wide = {"i": np.int64, "u": np.uint64, "f": np.float64, "c": np.complex128}
        if value.dtype.kind == "u" and (not value.size or value.max() < 2**63):
            return value.astype(np.int64)
        return value.astype(wide.get(value.dtype.kind, value.dtype), copy=False)
    if isinstance(value, dict):
        return {key: widened(item) for key, item in value.items()}
    if isinstance(value, list):
        return [widened(item) for item in value]
    return value


def twins(form: str, output: Any) -> list[Any]:
    """Give outputs that differ from this one and have the same canonical form, if any are known.

    Raises: ValueError if the output does not fit the form.
    """
    same = canonical(form, output)
    return [twin for twin in _rewritten(form, output) if canonical(form, twin) == same]


def plain_digest(*parts: str) -> str:
    """Give the hex digest of some texts; the order counts."""
    state = hashlib.blake2b(digest_size=DIGEST_BYTES)
    for part in parts:
        _write(state.update, b"t", part.encode())
    return state.hexdigest()


def _rewritten(form: str, output: Any) -> list[Any]:
    """Write an output in other ways that a form may not tell apart."""
    kind = form.partition(":")[0]
    if kind == "set":
        array = _array(output)
        return [array[::-1].copy(), np.sort(array), array.astype(np.int32)]
    if kind == "mask":
        return [_each(output, lambda part: part.astype(bool).astype(np.float64))]
    if kind in ("ranking", "topk"):
        # Both keep the order of scores but where rounding merges them.
        return [
            _each(output, lambda part: part.astype(np.float64) * 2.0),
            _each(output, lambda part: np.arctan(part.astype(np.float64))),
        ]
    if kind == "float" and isinstance(output, np.ndarray) and output.dtype.kind == "f":
        return [np.nextafter(output, np.inf)]
    if isinstance(output, np.ndarray):
        return [np.asfortranarray(output.copy())]
    return []


def _each(output: Any, change: Callable[[np.ndarray], np.ndarray]) -> Any:
    """Change an array, or each array of a list, and leave it an array or a list."""
    if isinstance(output, list) and output and isinstance(output[0], (np.ndarray, list)):
        return [change(_array(part)) for part in output]
    return change(_array(output))


def _is_several(output: Any) -> bool:
    """Tell a list of arrays from one array: a task may take one and refuse the other."""
    return isinstance(output, list) and bool(output) and isinstance(output[0], (np.ndarray, list))


def _parts(output: Any) -> list[np.ndarray]:
    """See one array, or a list of arrays, as a list of arrays."""
    if _is_several(output):
        return [_array(part) for part in output]
    return [_array(output)]


def _array(output: Any) -> np.ndarray:
    try:
        array = np.asarray(output)
    except ValueError as error:
        raise ValueError(f"not an array: {error}") from error
    if array.dtype.kind not in "biuf":
        raise ValueError(f"not an array of numbers, but of {array.dtype}")
    if array.size == 0:
        array = array.astype(np.int64)
    return array


def _finite(array: np.ndarray) -> np.ndarray:
    if array.dtype.kind == "f" and np.isnan(array).any():
        raise ValueError("it holds NaN, which has no place in an order")
    return array


def _ranking(scores: np.ndarray) -> np.ndarray:
    return np.argsort(-scores.ravel().astype(np.float64), kind="stable")


def _tree(value: Any, bits: int | None = None) -> bytes:
    """Encode a tree of arrays and plain values without ambiguity."""
    pieces: list[bytes] = []
    _encode(pieces.append, value, bits)
    return b"".join(pieces)


def _encode(put: Callable[[bytes], object], value: Any, bits: int | None) -> None:
    if value is None:
        put(b"N")
    elif isinstance(value, str):
        _write(put, b"s", value.encode())
    elif isinstance(value, bytes):
        _write(put, b"y", value)
    elif isinstance(value, dict):
        put(b"d" + struct.pack("<q", len(value)))
        for key in sorted(value):
            _encode(put, key, bits)
            _encode(put, value[key], bits)
    elif isinstance(value, (list, tuple)):
        put(b"l" + struct.pack("<q", len(value)))
        for item in value:
            _encode(put, item, bits)
    elif isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 2**63:
        _write(put, b"I", str(value).encode())
    else:
        _encode_array(put, np.asarray(value), bits)


def _encode_array(put: Callable[[bytes], object], array: np.ndarray, bits: int | None) -> None:
    """Write numbers by value: all integers as int64, all reals as float64, complex as pairs."""
    put(b"a" + struct.pack(f"<q{array.ndim}q", array.ndim, *array.shape))
    kind = array.dtype.kind
    if kind == "b":
        _write(put, b"b", array.astype(np.uint8).tobytes())
    elif kind == "i" or (kind == "u" and (not array.size or array.max() < 2**63)):
        _write(put, b"i", array.astype("<i8").tobytes())
    elif kind == "u":
        _write(put, b"u", array.astype("<u8").tobytes())
    elif kind == "f":
        _write(put, b"f", _floats(array.astype(np.float64), bits).astype("<f8").tobytes())
    elif kind == "c":
        pairs = np.stack([array.real, array.imag], -1).astype(np.float64)
        _write(put, b"c", _floats(pairs, bits).astype("<f8").tobytes())
    else:
        raise ValueError(f"values of type {array.dtype} have no canonical form")


def _floats(array: np.ndarray, bits: int | None) -> np.ndarray:
    """Unify NaN and signed zero, and round mantissas to `bits` bits if told."""
    array = np.where(array == 0.0, 0.0, np.where(np.isnan(array), np.nan, array))
    if bits is None:
        return array
    mantissa, exponent = np.frexp(array)
    rounded: np.ndarray = np.ldexp(np.round(np.ldexp(mantissa, bits)), exponent - bits)
    return np.where(np.isfinite(array), rounded, array)


def _write(put: Callable[[bytes], object], tag: bytes, payload: bytes) -> None:
    put(tag + struct.pack("<q", len(payload)))
    put(payload)
