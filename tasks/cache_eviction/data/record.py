"""Records the traces in traces.npz: what real programs and texts ask for, one after the other.

    python tasks/cache_eviction/data/record.py

Needs CPython's own library and nothing else but numpy. Another version of Python gives other traces:
what is shipped was recorded once, and its digest stands in SOURCE.md.
"""

from __future__ import annotations

import _pydecimal
import ast
import configparser
import difflib
import html.parser
import inspect
import io
import json
import json.decoder
import json.encoder
import json.scanner
import pprint
import random
import re
import statistics
import string
import sys
import tarfile
import textwrap
import tokenize
import zipfile
from collections.abc import Callable, Hashable, Iterable, Sequence
from pathlib import Path
from pydoc_data import topics
from typing import Any

import numpy as np

MOST = 60_000  # requests that are kept of each recording
BLOCK = 512  # bytes
JOBS = 2000  # small jobs of a recording of lines; the most requests end it
DOCUMENTED = ("argparse", "typing", "logging", "turtle", "datetime", "subprocess")


def main() -> None:
    found = {
        "words_topics": words(topics.topics[name] for name in sorted(topics.topics)),
        "words_docstrings": words(docstrings(DOCUMENTED)),
        "lines_text": lines(text_jobs()),
        "lines_numbers": lines(number_jobs()),
        "blocks_zip": zip_blocks(),
        "blocks_tar": tar_and_search_blocks(),
    }
    for name, keys in found.items():
        print(name, len(keys), "requests,", len(set(keys)), "keys")
    arrays: dict[str, Any] = {name: numbered(keys) for name, keys in found.items()}
    np.savez_compressed(Path(__file__).with_name("traces.npz"), **arrays)


def numbered(keys: Sequence[Hashable]) -> np.ndarray:
    """Give the keys as numbers in the order in which they first come, (n,) uint16."""
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.uint16)


def words(texts: Iterable[str]) -> list[str]:
    """Give the words of texts, small letters, in order."""
    return re.findall(r"[a-z_]+", "\n".join(texts).lower())[:MOST]


def docstrings(names: Sequence[str]) -> list[str]:
    """Give the documentation of modules and of all that they define."""
    found = []
    for name in names:
        module = __import__(name)
        members = [member for _, member in inspect.getmembers(module) if inspect.isclass(member)]
        parts = [part for each in members for _, part in inspect.getmembers(each)]
        found += [inspect.getdoc(each) or "" for each in (module, *members, *parts)]
    return found


def lines(jobs: Sequence[Callable[[], object]]) -> list[tuple[str, int]]:
    """Run jobs in a random order and give every line of Python that ran, by file and number."""
    draw, found = random.Random(1), []

    def note(frame: Any, event: str, _: Any) -> Any:
        if event == "line":
            found.append((frame.f_code.co_filename, frame.f_lineno))
        return note

    for _ in range(JOBS):
        job = draw.choice(jobs)
        sys.settrace(note)
        try:
            job()
        finally:
            sys.settrace(None)
        if len(found) >= MOST:
            break
    return found[:MOST]


def text_jobs() -> list[Callable[[], object]]:
    """Work on texts: JSON, wrapping, comparing, parsing, printing."""
    names = sorted(topics.topics)
    texts = [topics.topics[name][:400] for name in names]
    draw = random.Random(2)
    values = [{"id": i, "tags": names[i : i + 3], "text": texts[i][:60]} for i in range(30)]
    encoder = json.encoder._make_iterencode
    codes = ["def f(a, b):\n    return a + b * 2\n", "for i in x:\n    print(i, end='')\n"]

    def encode() -> object:
        floats = float.__repr__
        quote = json.encoder.py_encode_basestring
        make = encoder({}, None, quote, None, floats, ": ", ", ", False, False, False)
        return "".join(make(draw.choice(values), 0))

    def decode() -> object:
        decoder = json.decoder.JSONDecoder()
        decoder.parse_string = json.decoder.py_scanstring
        decoder.scan_once = json.scanner.py_make_scanner(decoder)
        return decoder.decode(json.dumps(draw.choice(values)))

    return [
        encode,
        decode,
        lambda: textwrap.fill(draw.choice(texts), draw.randint(30, 70)),
        lambda: list(
            difflib.ndiff(draw.choice(texts).split("\n")[:3], draw.choice(texts).split()[:3])
        ),
        lambda: ast.unparse(ast.parse(draw.choice(codes))),
        lambda: list(tokenize.generate_tokens(io.StringIO(draw.choice(codes)).readline)),
        lambda: pprint.pformat(draw.choice(values)),
        lambda: string.Template("$a and ${b}").substitute(a=draw.random(), b=draw.choice(names)),
    ]


def number_jobs() -> list[Callable[[], object]]:
    """Work on numbers and forms: decimals, statistics, settings, HTML."""
    draw = random.Random(3)
    decimal = _pydecimal.Decimal
    settings = "\n".join(f"[part{i}]\nkey{i} = {i}\nother = %(key{i})s0" for i in range(4))
    page = "<html><body class='a'><p>one &amp; two</p><br/><a href='x'>three</a></body></html>"

    def read_settings() -> object:
        parser = configparser.ConfigParser()
        parser.read_string(settings)
        part = f"part{draw.randrange(4)}"
        return parser.get(part, "other")

    def read_page() -> object:
        parser = html.parser.HTMLParser()
        parser.feed(page[: draw.randint(40, len(page))])
        return parser

    return [
        lambda: decimal(draw.randrange(1000)) / decimal(draw.randrange(1, 1000)),
        lambda: (decimal(draw.randrange(10**9)) * decimal("1.25")).quantize(decimal("0.01")),
        lambda: decimal(draw.randrange(2, 99)).sqrt(),
        lambda: statistics.fmean([draw.random() for _ in range(20)]),
        lambda: statistics.quantiles([draw.random() for _ in range(20)]),
        lambda: statistics.linear_regression(range(8), [draw.random() for _ in range(8)]),
        read_settings,
        read_page,
    ]


class Noted(io.BytesIO):
    """A file that notes the blocks that are read of it."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self.blocks: list[int] = []

    def read(self, size: int | None = -1, /) -> bytes:
        begin = self.tell()
        found = super().read(size)
        self.blocks += range(begin // BLOCK, max(begin, self.tell() - 1) // BLOCK + 1)
        return found


def zip_blocks() -> list[int]:
    """Members of a zip file, some read far more often than others; it is opened again at times."""
    draw, raw = random.Random(4), io.BytesIO()
    with zipfile.ZipFile(raw, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(topics.topics):
            archive.writestr(name, topics.topics[name])
    file = Noted(raw.getvalue())
    while len(file.blocks) < MOST:
        with zipfile.ZipFile(file) as archive:
            for name in _popular(archive.namelist(), draw, 150):
                archive.read(name)
    return file.blocks[:MOST]


def tar_and_search_blocks() -> list[int]:
    """Members of a tar file, and binary search in a sorted one that lies behind it."""
    draw, raw = random.Random(5), io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as archive:
        for name in sorted(topics.topics)[::3]:
            content = topics.topics[name].encode()
            head = tarfile.TarInfo(name)
            head.size = len(content)
            archive.addfile(head, io.BytesIO(content))
    begin = len(raw.getvalue())
    rows = 4000
    raw.seek(0, io.SEEK_END)
    raw.write(b"".join(b"%063d\n" % (7 * row) for row in range(rows)))
    file = Noted(raw.getvalue())
    while len(file.blocks) < MOST:
        file.seek(0)
        with tarfile.open(fileobj=file) as archive:
            for name in _popular(archive.getnames(), draw, 40):
                member = archive.extractfile(name)
                assert member is not None
                member.read()
                for _ in range(draw.randrange(6)):
                    _search(file, begin, rows, 7 * int(rows * draw.betavariate(1, 3)))
    return file.blocks[:MOST]


def _search(file: Noted, begin: int, rows: int, wanted: int) -> None:
    low, high = 0, rows
    while low < high:
        middle = (low + high) // 2
        file.seek(begin + 64 * middle)
        if int(file.read(64)) < wanted:
            low = middle + 1
        else:
            high = middle


def _popular(names: Sequence[str], draw: random.Random, count: int) -> list[str]:
    """Draw names by Zipf's law; which are popular changes from call to call by a few places."""
    order = sorted(names, key=lambda name: names.index(name) + draw.gauss(0, 5))
    return draw.choices(order, [1 / (1 + place) for place in range(len(order))], k=count)


if __name__ == "__main__":
    main()
