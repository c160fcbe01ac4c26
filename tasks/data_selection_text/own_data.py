"""A user's own documents: JSONL or parquet files of texts, cut into pools, targets and evaluation.

`--set data.path=POOL.jsonl --set target.path=TARGET.jsonl`; `FILE.parquet:body` takes the column
`body` in place of `text`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from evolve.task import Unusable, rng

from .features import as_rows
from .pools import DOC_BYTES, EVALUATED, OTHER, TARGETS, Pool

FIELD = "text"
READ = (".jsonl", ".parquet")
# Shorter texts teach a model that looks at eight bytes next to nothing.
LEAST_BYTES = 32
# So few documents leave a pool of at least 200 to choose from, and targets for every part.
LEAST_DOCS, LEAST_TARGETS = 300, 60
# Shares of the documents that only pools of `test` use, and of the target's three parts: what
# selectors see, what grades `train` and `valid`, what grades `test`.
HELD = 1 / 3
SHOWN, GRADING = 0.4, 0.3


class OwnDataError(Unusable):
    """A file is not what this task can use; the message says what to do."""


@dataclass(frozen=True)
class OwnTexts:
    """Documents (n, L) and target documents (m, L), uint8 and padded with zeros, in random order.

    digest: of both.
    """

    docs: np.ndarray
    target: np.ndarray
    digest: str

    def draw_pool(self, split: str, name: str, size: int) -> Pool:
        """Draw a pool of at most `size` documents; no document is in pools of `test` and of others.

        Targets are cut for good: what selectors see grades nothing, and `test` is graded by texts of
        its own.
        """
        draw = rng("data_selection_text", "own", name)
        held = round(HELD * len(self.docs))
        from_these = self.docs[:held] if split == "test" else self.docs[held:]
        docs = draw.permutation(from_these)[:size]
        ends = np.cumsum([round(share * len(self.target)) for share in (SHOWN, GRADING)])
        shown, known, unknown = np.split(self.target, ends)
        return Pool(
            docs=docs,
            target=draw.permutation(shown)[:TARGETS],
            evaluation=draw.permutation(unknown if split == "test" else known)[:EVALUATED],
            origin=np.full(len(docs), OTHER),
            group=np.arange(len(docs)),
        )


def own_texts(data: str, target: str) -> OwnTexts | None:
    """Give the user's documents; None where no file is named.

    data, target: `FILE` or `FILE:FIELD`. Raises: OwnDataError naming the file, the line and what to do.
    """
    if not data and not target:
        return None
    if not data or not target:
        lacks = "data.path" if not data else "target.path"
        raise OwnDataError(
            f"{lacks} is not set: a user's own documents need both data.path, the pool, and "
            "target.path, examples of the texts that a model should be good at"
        )
    return _read_both(data, target)


@cache
def _read_both(data: str, target: str) -> OwnTexts:
    docs = _rows(data, LEAST_DOCS, "a pool")
    wanted = _rows(target, LEAST_TARGETS, "a target")
    digest = hashlib.blake2b(docs.tobytes() + b"/" + wanted.tobytes(), digest_size=16)
    return OwnTexts(docs, wanted, digest.hexdigest())


def _rows(named: str, least: int, what: str) -> np.ndarray:
    """Read the texts of a file, without those that are too short and all but one of equal ones."""
    file, field = split_name(named)
    texts = [text.encode() for text in read_texts(Path(file), field)]
    long = [text for text in texts if len(text.strip()) >= LEAST_BYTES]
    rows = as_rows(sorted(set(long)), DOC_BYTES)
    rows = np.unique(rows, axis=0) if len(rows) else rows
    if len(rows) < least:
        raise OwnDataError(
            f"{file}: {len(rows)} of {len(texts)} texts can be used, and {what} needs {least} or "
            f"more: different in the first {DOC_BYTES} bytes, and of {LEAST_BYTES} bytes or more"
        )
    return rng("data_selection_text", "own", what).permutation(rows)


def split_name(named: str) -> tuple[str, str]:
    """Split `FILE:FIELD`; the field is `text` where none is named."""
    file, colon, field = named.rpartition(":")
    return (file, field) if colon and field.isidentifier() else (named, FIELD)


def read_texts(file: Path, field: str = FIELD) -> list[str]:
    """Read one text per row of a JSONL or parquet file. Raises: OwnDataError."""
    if file.suffix not in READ:
        raise OwnDataError(f"{file}: ends in {file.suffix!r}: write a file .jsonl or .parquet")
    rows = _jsonl(file) if file.suffix == ".jsonl" else _parquet(file, field)
    return [_text(value, field, place) for place, value in rows]


def _jsonl(file: Path) -> Iterator[tuple[str, Any]]:
    """Give (place, row) for every line that is not empty."""
    try:
        lines = file.read_text(encoding="utf-8").split("\n")
    except OSError as error:
        raise OwnDataError(f"{file}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise OwnDataError(f"{file}: is not UTF-8 at byte {error.start}: convert it") from error
    for number, line in enumerate(lines, 1):
        place = f"{file}, line {number}"
        if not line.strip():
            continue
        try:
            yield place, json.loads(line)
        except json.JSONDecodeError as error:
            raise OwnDataError(
                f"{place}: not JSON: {error.msg} at column {error.colno}; a JSONL file has one "
                "object to a line"
            ) from error


def _parquet(file: Path, field: str) -> Iterator[tuple[str, Any]]:
    """Give (place, row) for every row of one column. Needs the package pyarrow."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise OwnDataError(
            f"{file}: parquet needs pyarrow: `pip install 'evolve-search[parquet]'`, or write a "
            "file .jsonl"
        ) from error
    try:
        names = parquet.read_schema(file).names
        if field not in names:
            raise OwnDataError(_no_field(str(file), field, names))
        column = parquet.read_table(file, columns=[field])[field]
    except OSError as error:
        raise OwnDataError(f"{file}: cannot be read: {error}") from error
    except pyarrow.ArrowInvalid as error:
        raise OwnDataError(f"{file}: is no parquet file: {error}") from error
    for number, value in enumerate(column.to_pylist()):
        yield f"{file}, row {number}", {field: value}


def _text(row: Any, field: str, place: str) -> str:
    if not isinstance(row, dict):
        raise OwnDataError(
            f'{place}: is {type(row).__name__}, not an object such as {{"{field}": "..."}}'
        )
    if field not in row:
        raise OwnDataError(_no_field(place, field, list(row)))
    value = row[field]
    if not isinstance(value, str):
        raise OwnDataError(f"{place}: {field!r} is {type(value).__name__}, not a text")
    return _encodable(value)


def _encodable(text: str) -> str:
    """Give the text without halves of surrogate pairs, which JSON can hold and UTF-8 cannot."""
    return text.encode("utf-8", "replace").decode()


def _no_field(place: str, field: str, names: list[str]) -> str:
    return (
        f"{place}: has no {field!r}, but {', '.join(map(repr, names[:8])) or 'nothing'}: "
        f"name the field, as in FILE:{names[0] if names else field}"
    )
