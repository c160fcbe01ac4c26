"""Documents that nobody should learn from, and copies of documents that are nearly equal.

Every kind takes and gives documents (n, L) uint8 of the same shape.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable

import numpy as np

# Share of bytes that differ in a near-duplicate, and how far it may be shifted, in bytes.
EDITED, SHIFTED = 0.02, 24
# What scanning takes for what: a letter by another, two letters by one of the same look.
MISREAD = [(b"rn", b"m "), (b"e", b"c"), (b"l", b"1"), (b"o", b"0"), (b"h", b"b"), (b"S", b"5")]
MISREAD_SHARE = 0.5

Kind = Callable[[np.random.Generator, np.ndarray], np.ndarray]


def spoil(draw: np.random.Generator, kinds: tuple[str, ...], docs: np.ndarray) -> np.ndarray:
    """Make junk of documents (n, L), by kinds in equal shares."""
    made = np.empty_like(docs)
    for kind, rows in zip(kinds, np.array_split(np.arange(len(docs)), len(kinds)), strict=True):
        made[rows] = KINDS[kind](draw, docs[rows])
    return made


def near_copies(draw: np.random.Generator, docs: np.ndarray) -> np.ndarray:
    """Shift documents a little, and replace some bytes by others of the same document."""
    copies = np.stack([np.roll(doc, draw.integers(-SHIFTED, SHIFTED + 1)) for doc in docs])
    edited = draw.random(docs.shape) < EDITED
    return np.where(edited, draw.permuted(copies, axis=1), copies)


def _random_bytes(draw: np.random.Generator, docs: np.ndarray) -> np.ndarray:
    return draw.integers(1, 256, docs.shape, dtype=np.uint8)


def _shuffled_words(draw: np.random.Generator, docs: np.ndarray) -> np.ndarray:
    """The words in random order."""
    return _each(docs, lambda text: b" ".join(draw.permutation(text.split()).tolist()))


def _repetition(draw: np.random.Generator, docs: np.ndarray) -> np.ndarray:
    """A short piece again and again."""
    sizes = iter(draw.integers(8, 49, len(docs)).tolist())
    return _each(docs, lambda text: text[: next(sizes)])


def _base64(draw: np.random.Generator, docs: np.ndarray) -> np.ndarray:
    return _each(docs, lambda text: base64.encodebytes(draw.permutation(list(text)).tobytes()))


def _misread(draw: np.random.Generator, docs: np.ndarray) -> np.ndarray:
    """What a bad scan makes of a page: half of all letters that look like others are taken for them."""

    def scan(text: bytes) -> bytes:
        for right, wrong in MISREAD:
            text = re.sub(
                re.escape(right),
                lambda match, wrong=wrong: wrong if draw.random() < MISREAD_SHARE else match[0],
                text,
            )
        return text

    return _each(docs, scan)


def _minified(draw: np.random.Generator, docs: np.ndarray) -> np.ndarray:
    """No white space at all."""
    return _each(docs, lambda text: re.sub(rb"\s+", b"", text))


def _hexadecimal(draw: np.random.Generator, docs: np.ndarray) -> np.ndarray:
    """A dump in pairs of hexadecimal digits."""
    return _each(
        docs, lambda text: draw.permutation(list(text)).astype(np.uint8).tobytes().hex(" ").encode()
    )


def _backwards(draw: np.random.Generator, docs: np.ndarray) -> np.ndarray:
    return docs[:, ::-1]


def _interleaved(draw: np.random.Generator, docs: np.ndarray) -> np.ndarray:
    """Two columns read as one: pieces of sixteen bytes, of two documents in turn."""
    mixed = docs.copy()
    other = np.arange(docs.shape[1]) // 16 % 2 == 1
    mixed[:, other] = draw.permutation(docs)[:, other]
    return mixed


def _markup(draw: np.random.Generator, docs: np.ndarray) -> np.ndarray:
    """Tags with hardly a word between them."""
    tags = [b'<div class="c%d">', b"<span>", b"</span>", b"</div>", b'<a href="#%d">', b"</a>"]

    def page(text: bytes) -> bytes:
        words = text.split() or [b"-"]
        pieces = [tags[i] for i in draw.integers(0, len(tags), len(text) // 8)]
        numbers = draw.integers(0, 100, len(pieces)).tolist()
        filled = [
            tag % number if b"%d" in tag else tag
            for tag, number in zip(pieces, numbers, strict=True)
        ]
        filled[::5] = [words[number % len(words)] for number in numbers[::5]]
        return b"\n".join(filled)

    return _each(docs, page)


def _each(docs: np.ndarray, change: Callable[[bytes], bytes]) -> np.ndarray:
    """Change documents one by one, repeating or cutting what comes to the length that they had."""
    length = docs.shape[1]
    made = np.empty_like(docs)
    for row, doc in enumerate(docs):
        text = change(doc.tobytes()) or b" "
        text = (text * (length // len(text) + 1))[:length]
        made[row] = np.frombuffer(text, dtype=np.uint8)
    return made


KINDS: dict[str, Kind] = {
    "random_bytes": _random_bytes,
    "shuffled_words": _shuffled_words,
    "repetition": _repetition,
    "base64": _base64,
    "misread": _misread,
    "minified": _minified,
    "hexadecimal": _hexadecimal,
    "backwards": _backwards,
    "interleaved": _interleaved,
    "markup": _markup,
}
