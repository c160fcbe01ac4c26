"""The wire: trees of arrays and plain values as bytes that are safe to read from anyone.

A frame is a prefix (magic, length of the header, length of the body), a JSON header and a body of
raw buffers. The header holds the tree and the type and shape of every buffer:

    {"tree": {"dict": {"x": {"array": 0}, "k": 3}}, "buffers": [["<f8", [100, 2]]]}

In the header a JSON object is always a tag with one key; NaN and infinities are written as Python
writes them. Nothing is pickled, evaluated or looked up by name. The reader checks every length
before it allocates, and raises WireError, and only that, on whatever bytes it is given.

What crosses: None, bool, int of any size, float (NaN, infinities and -0.0 too), complex, str,
bytes, list, dict with str keys, and numpy arrays of bool, integers, float16/32/64 and complex64/128.
A tuple arrives as a list, a numpy scalar as a plain value, an array in C order and in this
machine's byte order. One array object in several places arrives as one array object. Exact types
only: of subclasses just numpy's memmap is taken, as an ordinary array.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import math
import os
import select
import struct
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

MAX_HEADER = 1 << 20  # bytes; a value with more plain numbers than this belongs into an array
MAX_TRUSTED_HEADER = 1 << 28  # bytes; for inputs and other frames that our own side writes
MAX_DEPTH = 64  # nested lists and dicts

_MAGIC = b"EVW1"
_PREFIX = struct.Struct("<4sIQ")  # magic, header bytes, body bytes
PREFIX_BYTES = _PREFIX.size
_ALIGN = 16  # bytes; header and buffers are padded to it, so that arrays can be used in place
_PLAIN_INT = 1 << 1024  # beyond it an int travels as hex: Python bounds decimal digits to 4,300
_LISTED = frozenset((float, bool, type(None)))  # lists of only these need no second look
_DTYPES = {
    np.dtype(name).str: np.dtype(name)
    for name in (
        *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
        *("float16", "float32", "float64", "complex64", "complex128"),
    )
}
_BYTES = "bytes"  # stands in place of a dtype for a buffer that is a bytes object

Buffer = bytes | memoryview


class WireError(Exception):
    """What came is no frame, or what should go is no tree that the wire carries."""


class TooLarge(WireError):
    """The tree or the frame is larger than the reader's bound."""


class WireClosed(WireError):
    """The other end closed the pipe between two frames."""


class WireTimeout(WireError):
    """No whole frame came in time."""


def encode(
    tree: Any, max_bytes: int | None = None, max_header: int = MAX_TRUSTED_HEADER
) -> list[Buffer]:
    """Write a tree as one frame: buffers to be sent one after the other.

    max_bytes: bound on the sum of all arrays and bytes. max_header: bound on everything else.
    Raises: WireError naming the place in the tree that cannot cross; TooLarge.
    """
    writer = _Writer(max_bytes, max_header)
    try:
        header = json.dumps(
            {"tree": writer.write(tree, "", 0), "buffers": writer.described},
            ensure_ascii=False,
            separators=(",", ":"),
        ).encode()
    except UnicodeEncodeError as error:
        raise WireError(f"a text holds a lone surrogate: {error.reason}") from None
    header += b" " * (-len(header) % _ALIGN)
    if len(header) > max_header:
        raise TooLarge(f"plain values take {len(header)} bytes, bound {max_header}: use an array")
    return [_PREFIX.pack(_MAGIC, len(header), writer.size), header, *writer.buffers]


def decode(frame: Any, max_bytes: int | None = None, max_header: int = MAX_TRUSTED_HEADER) -> Any:
    """Read one whole frame. Arrays are views of `frame`, and writable when it is.

    frame: anything with the buffer protocol. Raises: WireError; TooLarge beyond the bounds.
    """
    view = memoryview(frame).cast("B")
    header_bytes, body_bytes = _lengths(view[:PREFIX_BYTES], max_bytes, max_header)
    if len(view) != PREFIX_BYTES + header_bytes + body_bytes:
        raise WireError(f"frame of {len(view)} bytes does not have the length that it declares")
    body = PREFIX_BYTES + header_bytes
    header = _header(view[PREFIX_BYTES:body])
    buffers = _Buffers(header["buffers"], view[body:], max_bytes)
    return _read(header["tree"], buffers, 0)


def send(fd: int, tree: Any) -> None:
    """Write a tree to a pipe whose reader trusts us. Raises: WireError, BrokenPipeError."""
    write_all(fd, encode(tree))


def receive(
    fd: int,
    max_bytes: int | None = None,
    max_header: int = MAX_TRUSTED_HEADER,
    timeout_s: float | None = None,
) -> Any:
    """Read one tree from a pipe; arrays are writable.

    Raises: WireClosed when the other end closed between frames; WireTimeout; TooLarge; WireError.
    """
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    prefix = memoryview(bytearray(PREFIX_BYTES))
    _fill(fd, prefix, deadline)
    frame = np.empty(frame_size(prefix, max_bytes, max_header), np.uint8)
    frame.data[:PREFIX_BYTES] = prefix
    _fill(fd, frame.data[PREFIX_BYTES:], deadline, inside=True)
    return decode(frame, max_bytes, max_header)


def receive_raw(fd: int, size: int, timeout_s: float | None = None) -> memoryview:
    """Read exactly `size` bytes, unchecked. Raises: WireError when they do not all come."""
    raw = np.empty(size, np.uint8)
    _fill(fd, raw.data, None if timeout_s is None else time.monotonic() + timeout_s, inside=True)
    return raw.data


def frame_size(prefix: memoryview, max_bytes: int | None, max_header: int) -> int:
    """Give the length that a frame with this prefix declares. Raises: WireError, TooLarge."""
    return PREFIX_BYTES + sum(_lengths(prefix, max_bytes, max_header))


def frame_bytes(prefix: memoryview) -> int | None:
    """Give the length that a frame with this prefix declares; None when it is no prefix."""
    try:
        return frame_size(prefix, None, 1 << 32)
    except WireError:
        return None


def write_all(fd: int, buffers: Sequence[Any]) -> None:
    """Write buffers to a pipe, however many writes it takes. Raises: BrokenPipeError."""
    for buffer in buffers:
        rest = memoryview(buffer)
        while rest:
            rest = rest[os.write(fd, rest) :]


def widen(fd: int) -> None:
    """Let a pipe hold 1 MiB, where the system allows that: large values then need few switches."""
    with contextlib.suppress(PermissionError):  # a user's share of pipe memory is used up
        fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, 1 << 20)


class _Writer:
    """Turns a tree into JSON values and buffers.

    described: type and shape of each buffer. size: bytes of the body, padding included.
    """

    def __init__(self, max_bytes: int | None, max_header: int) -> None:
        self.described: list[tuple[str, list[int]]] = []
        self.buffers: list[Buffer] = []
        self.size = 0
        self._max_bytes = max_bytes
        self._named = 0
        self._nodes_left = (
            max_header  # each takes a byte at least: stops lists that hold each other
        )
        self._known: dict[int, tuple[Any, int]] = {}  # the object is kept, so that no id is reused

    def write(self, value: Any, place: str, depth: int) -> Any:
        """Write what stands at `place` of the tree, such as `x['a'][3]`; empty for the root."""
        kind = type(value)
        self._nodes_left -= 1
        if depth > MAX_DEPTH:
            raise WireError(f"{place[:60]}... is nested deeper than {MAX_DEPTH}")
        if self._nodes_left < 0:
            raise TooLarge("too many plain values: use an array")
        if value is None or kind in (bool, float, str):
            return value
        if kind is int:
            return value if -_PLAIN_INT < value < _PLAIN_INT else {"int": hex(value)}
        if kind is complex:
            return {"complex": [value.real, value.imag]}
        if kind is list or kind is tuple:
            return self._list(value, place, depth)
        if kind is dict:
            return {"dict": self._dict(value, place, depth)}
        if kind is np.ndarray or kind is np.memmap:
            return {"array": self._array(value, place)}
        if kind is bytes:
            self._check(len(value))
            return {"bytes": self._buffer(value, _BYTES, [len(value)], value)}
        if issubclass(kind, np.generic) and kind.__module__ == "numpy":
            return self.write(_plain(value, place), place, depth)
        raise WireError(
            f"{place or 'the tree'} is a {kind.__module__}.{kind.__qualname__}, which cannot cross: "
            "give None, bool, int, float, str, bytes, lists, dicts and numpy arrays"
        )

    def _list(self, values: Sequence[Any], place: str, depth: int) -> list[Any]:
        if depth < MAX_DEPTH and _LISTED.issuperset(map(type, values)):
            self._nodes_left -= len(values)
            if self._nodes_left < 0:
                raise TooLarge(f"{place or 'the tree'} holds too many plain values: use an array")
            return list(values)
        return [self.write(v, f"{place}[{i}]", depth + 1) for i, v in enumerate(values)]

    def _dict(self, values: dict[Any, Any], place: str, depth: int) -> dict[str, Any]:
        for key in values:
            if type(key) is not str:
                raise WireError(f"{place or 'the tree'} has the key {key!r:.40}: keys must be str")
        return {
            key: self.write(value, f"{place}[{key!r:.40}]" if depth else key[:40], depth + 1)
            for key, value in values.items()
        }

    def _array(self, array: Any, place: str) -> int:
        dtype = array.dtype.newbyteorder("=")
        if dtype.str not in _DTYPES:
            raise WireError(
                f"{place or 'the tree'} is an array of {array.dtype}, which cannot cross"
            )
        shape = list(array.shape)
        self._check(array.nbytes)
        if id(array) in self._known:
            return self._known[id(array)][1]
        packed = np.asarray(array, dtype=dtype, order="C")
        return self._buffer(array, dtype.str, shape, packed.reshape(-1).view(np.uint8).data)

    def _buffer(self, value: Any, dtype: str, shape: list[int], data: Buffer) -> int:
        size = len(data)
        if id(value) in self._known:
            return self._known[id(value)][1]
        index = len(self.described)
        self._known[id(value)] = value, index
        self.described.append((dtype, shape))
        self.buffers += [data, bytes(-size % _ALIGN)]
        self.size += size + -size % _ALIGN
        return index

    def _check(self, more: int) -> None:
        """Count an array each time that it is named: its reader may make copies of it."""
        self._named += more + -more % _ALIGN
        if self._max_bytes is not None and self._named > self._max_bytes:
            raise TooLarge(f"arrays take {self._named} bytes or more, bound {self._max_bytes}")


def _plain(value: Any, place: str) -> Any:
    """Give a numpy scalar as a plain value, without asking the object itself."""
    array = np.asarray(value)
    if array.dtype.newbyteorder("=").str not in _DTYPES:
        raise WireError(f"{place or 'the tree'} is a numpy {array.dtype}, which cannot cross")
    return array.item()


def _fill(fd: int, view: memoryview, deadline: float | None, inside: bool = False) -> None:
    """Read until `view` is full. inside: of a frame, where an end is an error, not a farewell."""
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    done = 0
    while done < len(view):
        if deadline is not None and not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            raise WireTimeout("no whole frame came in time")
        count = os.readv(fd, [view[done:]])
        if not count:
            if inside or done:
                raise WireError("the pipe was closed inside a frame")
            raise WireClosed("the pipe was closed")
        done += count


def _lengths(prefix: memoryview, max_bytes: int | None, max_header: int) -> tuple[int, int]:
    if len(prefix) < PREFIX_BYTES:
        raise WireError(f"{len(prefix)} bytes are too few for a frame")
    magic, header, body = _PREFIX.unpack(prefix)
    if magic != _MAGIC:
        raise WireError(f"a frame does not begin with {magic!r}")
    if header > max_header:
        raise TooLarge(f"header of {header} bytes, bound {max_header}")
    if max_bytes is not None and body > max_bytes:
        raise TooLarge(f"body of {body} bytes, bound {max_bytes}")
    return header, body


def _header(raw: memoryview) -> dict[str, Any]:
    try:
        header = json.loads(bytes(raw))
    except (ValueError, RecursionError) as error:
        raise WireError(f"the header is not JSON: {error}") from None
    if type(header) is not dict or set(header) != {"tree", "buffers"}:
        raise WireError("the header has other keys than tree and buffers")
    return header


class _Buffers:
    """The arrays and bytes of a frame, each given as often as the tree names it, within a bound.

    An array in many places is one array here, and may be many in the hands of whoever reads on.
    """

    def __init__(self, described: Any, body: memoryview, max_bytes: int | None) -> None:
        self._found = _cut(described, body)
        self._left = math.inf if max_bytes is None else max_bytes

    def take(self, index: int, wanted: type) -> Any:
        """Give a buffer. Raises: WireError when there is none of this type; TooLarge."""
        if not 0 <= index < len(self._found) or type(self._found[index]) is not wanted:
            raise WireError(f"no buffer {index} of this type")
        found = self._found[index]
        self._left -= memoryview(found).nbytes
        if self._left < 0:
            raise TooLarge("arrays in several places are larger than the bound, each counted")
        return found


def _cut(described: Any, body: memoryview) -> list[Any]:
    """Cut the body into arrays and bytes, which must fill it exactly."""
    if type(described) is not list:
        raise WireError("buffers is no list")
    found: list[Any] = []
    start = 0
    for item in described:
        if type(item) is not list or len(item) != 2:
            raise WireError("a buffer is not described by type and shape")
        size, kind, shape = _size(*item)
        if size > len(body) - start:
            raise WireError("the buffers are larger than the body")
        raw = body[start : start + size]
        found.append(bytes(raw) if kind is None else _view(raw, kind, shape))
        start += size + -size % _ALIGN
    if start != len(body):
        raise WireError("the buffers do not fill the body")
    return found


def _size(name: Any, shape: Any) -> tuple[int, np.dtype[Any] | None, list[int]]:
    """Check a description and give bytes, dtype (None for bytes objects) and shape."""
    if type(shape) is not list or not all(type(n) is int and 0 <= n < 1 << 62 for n in shape):
        raise WireError(f"{shape!r:.40} is no shape")
    if type(name) is not str or not (name in _DTYPES or (name == _BYTES and len(shape) == 1)):
        raise WireError(f"{name!r:.40} is no type that crosses")
    dtype = _DTYPES.get(name)
    size = 1 if dtype is None else dtype.itemsize
    for length in shape:
        size *= length
        if size >= 1 << 62:
            raise WireError("a shape is too large")
    return size, dtype, shape


def _view(raw: memoryview, dtype: np.dtype[Any], shape: list[int]) -> Any:
    if dtype.kind == "b" and len(raw) and np.frombuffer(raw, np.uint8).max() > 1:
        raise WireError("an array of bool holds bytes other than 0 and 1")
    try:
        return np.frombuffer(raw, dtype).reshape(shape) if len(raw) else np.empty(shape, dtype)
    except ValueError as error:  # too many dimensions, or an empty shape beyond what fits
        raise WireError(f"no array has this shape: {error}") from None


def _read(value: Any, buffers: _Buffers, depth: int) -> Any:
    kind = type(value)
    if depth > MAX_DEPTH:
        raise WireError(f"a tree is nested deeper than {MAX_DEPTH}")
    if kind is str:
        return _text(value)
    if kind is list:
        if depth < MAX_DEPTH and _LISTED.issuperset(map(type, value)):
            return value
        return [_read(item, buffers, depth + 1) for item in value]
    if kind is not dict:
        return value  # None, bool, int, float: JSON has no others
    if len(value) != 1:
        raise WireError("a tag has not one key")
    [(tag, content)] = value.items()
    if tag == "dict" and type(content) is dict:
        return {_text(k): _read(v, buffers, depth + 1) for k, v in content.items()}
    if tag in ("array", "bytes") and type(content) is int:
        return buffers.take(content, bytes if tag == "bytes" else np.ndarray)
    if tag == "int" and type(content) is str:
        return _large_int(content)
    if tag == "complex" and type(content) is list and list(map(type, content)) == [float, float]:
        return complex(*content)
    raise WireError(f"{tag!r:.40} is a tag without its meaning")


def _text(value: str) -> str:
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise WireError("a text holds a lone surrogate") from None
    return value


def _large_int(text: str) -> int:
    try:
        return int(text, 16)
    except ValueError:
        raise WireError(f"{text!r:.40} is no integer") from None
