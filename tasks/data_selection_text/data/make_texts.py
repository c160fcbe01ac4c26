"""Writes texts.jsonl.xz: texts of a Python distribution, by domain, one file of it to a line.

    python data/make_texts.py

A line is `{"domain": ..., "file": ..., "text": ...}`. Run by Python 3.11.7 it gives the file that is
shipped; other versions have other texts.
"""

from __future__ import annotations

import ast
import hashlib
import io
import json
import lzma
import pydoc_data.topics
import random
import re
import sys
import sysconfig
import tokenize
from collections.abc import Callable, Iterator
from pathlib import Path

OUT = Path(__file__).parent / "texts.jsonl.xz"
DOMAIN_BYTES = 450_000  # of text kept for each domain: 880 documents of 512 bytes
FILE_BYTES = 30_000  # of one file at most, so that no single file makes a domain
LEAST_BYTES = 1_024  # a file with less text is left out
LONG_PARAGRAPH = 60  # characters from which on a paragraph may stand in one file only
ROOT = Path(sysconfig.get_paths()["stdlib"])
# Folders of the distribution by what they are about; "" is what lies at its top.
NETWORK = (
    "asyncio",
    "http",
    "urllib",
    "email",
    "concurrent",
    "multiprocessing",
    "xmlrpc",
    "wsgiref",
)
WINDOWS = ("idlelib", "tkinter", "turtledemo")
BUILDING = ("distutils", "lib2to3", "ensurepip", "venv", "importlib")

Texts = Iterator[tuple[str, str]]


def main() -> None:
    """Write the file, and print what SOURCE.md says of it."""
    lines = []
    owners: dict[str, str] = {}
    for domain, texts in domains().items():
        kept = [(name, own(name, text, owners)) for name, text in keep(domain, texts())]
        lines += [{"domain": domain, "file": name, "text": text} for name, text in kept]
        print(f"| `{domain}` | {len(kept)} | {sum(len(text.encode()) for _, text in kept):,} |")
    raw = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines).encode()
    OUT.write_bytes(lzma.compress(raw, preset=9 | lzma.PRESET_EXTREME))
    digest = hashlib.sha256(raw).hexdigest()
    print(f"{sys.version.split()[0]}: {OUT.stat().st_size:,} bytes, of {len(raw):,}: {digest}")


def domains() -> dict[str, Callable[[], Texts]]:
    """Give what makes the texts of every domain."""
    return {
        "topics": topics,
        "docstrings": lambda: parts_of(modules(("",)), docstrings),
        "network": lambda: modules(NETWORK),
        "tests": lambda: modules(("test",)),
        "library": lambda: modules(("",)),
        "tables": lambda: modules(("encodings",)),
        "licence": lambda: iter([("LICENSE.txt", (ROOT / "LICENSE.txt").read_text("utf-8"))]),
        "comments": lambda: parts_of(modules(("", "test", "unittest", "ctypes")), comments),
        "windows": lambda: modules(WINDOWS),
        "building": lambda: modules(BUILDING),
        "sessions": lambda: parts_of(modules(("", "test")), sessions),
    }


def keep(domain: str, texts: Texts) -> list[tuple[str, str]]:
    """Choose files at random until the domain is full; of a long one, a piece from anywhere."""
    draw = random.Random(domain)
    candidates = sorted((name, text) for name, text in texts if len(text.encode()) >= LEAST_BYTES)
    draw.shuffle(candidates)
    kept, size = [], 0
    for name, text in candidates:
        begin = draw.randrange(max(len(text) - FILE_BYTES, 0) + 1)
        piece = text[begin : begin + FILE_BYTES]
        if size < DOMAIN_BYTES:
            kept.append((name, piece))
            size += len(piece.encode())
    return sorted(kept)


def own(name: str, text: str, owners: dict[str, str]) -> str:
    """Give the text without long paragraphs that another file had first, however they are indented.

    Files end up in different parts, and what grades must not stand in a pool.
    """
    paragraphs = []
    for paragraph in text.split("\n\n"):
        words = " ".join(paragraph.split())
        if len(words) < LONG_PARAGRAPH or owners.setdefault(words, name) == name:
            paragraphs.append(paragraph)
    return "\n\n".join(paragraphs)


def topics() -> Texts:
    """The topics of `help()`: the language reference as plain text."""
    yield from pydoc_data.topics.topics.items()


def modules(folders: tuple[str, ...]) -> Texts:
    """Source files that are UTF-8 and parse; "" means the top folder without those beneath it."""
    for folder in folders:
        top = ROOT / folder
        for path in sorted(top.glob("*.py") if folder == "" else top.rglob("*.py")):
            if "site-packages" in path.parts or "lib2to3/tests" in path.as_posix():
                continue
            try:
                text = path.read_text("utf-8")
                ast.parse(text)
            except (UnicodeDecodeError, SyntaxError, ValueError):
                continue
            yield path.relative_to(ROOT).as_posix(), text


def parts_of(files: Texts, part: Callable[[str], str]) -> Texts:
    """A part of every file, such as its comments."""
    for name, text in files:
        yield name, part(text)


def docstrings(text: str) -> str:
    """All docstrings of a module, in the order of the file."""
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, kinds)]
    nodes.sort(key=lambda node: getattr(node, "lineno", 0))
    return "\n\n".join(filter(None, (ast.get_docstring(node) for node in nodes)))


def comments(text: str) -> str:
    """All comments that have a line of their own, without the mark."""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    found = [
        token.string.lstrip("#! ").rstrip()
        for token in tokens
        if token.type == tokenize.COMMENT and token.line.lstrip().startswith("#")
    ]
    return "\n".join(filter(None, found))


def sessions(text: str) -> str:
    """All interactive sessions: lines from a prompt to the next empty line, without indentation."""
    found = re.findall(r"(?:^[ \t]*>>>.*\n(?:[ \t]*\S.*\n)*)+", text, re.MULTILINE)
    return "\n".join(re.sub(r"^[ \t]+", "", session, flags=re.MULTILINE) for session in found)


if __name__ == "__main__":
    main()
