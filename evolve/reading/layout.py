"""How an answer is laid out: prose, code in fences, SEARCH/REPLACE blocks, thinking aloud.

Answers are long and come from outside, so each line is looked at a bounded number of times: no
pattern here can backtrack over more than its line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import NamedTuple

HEAD = re.compile(r"[ \t]*<{5,9}[ \t]*(?:SEARCH|HEAD|ORIGINAL|OLD|BEFORE)?[ \t]*$", re.IGNORECASE)
DIVIDER = re.compile(r"[ \t]*={5,9}[ \t]*$")
TAIL = re.compile(r"[ \t]*>{5,9}(?:[^>].{0,80})?$")
"""Lines that open, divide and close a block. A conflict of git names its branch in the last."""

THINKING = r"(?:think|thinking|reasoning)"
OPENS_THOUGHT = re.compile(rf"[ \t]*<({THINKING})>", re.IGNORECASE)
ENDS_THOUGHT = re.compile(rf"^[ \t]*</{THINKING}>|</{THINKING}>[ \t]*$", re.IGNORECASE)

OPENS_FENCE = re.compile(r"[ \t]*(?:(?:[-*+•]|\d{1,3}[.)])[ \t]+)?(`{3,}|~{3,})([^`]*)$")
PYTHON = frozenset(("python", "python3", "py", "py3", "ipython"))
MAYBE_PYTHON = PYTHON | {""}
"""Labels of fences; one without a label may hold anything."""

STRINGS_AND_FENCES = re.compile(
    r"""\\.|\"{3}|'{3}|\#.*|"[^"\\]*(?:\\.[^"\\]*)*"|'[^'\\]*(?:\\.[^'\\]*)*'|`{3,}"""
)
IN_STRING = {'"""': re.compile(r'\\.|"{3}'), "'''": re.compile(r"\\.|'{3}")}

MOST_DOUBTS = 8
"""So often may a string that is never closed lead the search for a fence's end to the last line."""


class Kind(Enum):
    PROSE = auto()  # one line
    FENCE = auto()  # code between fences
    EDIT = auto()  # a SEARCH/REPLACE block outside fences
    THOUGHT = auto()  # from <think> to </think>
    THOUGHT_ENDED = auto()  # a </think> alone: all before it was thought


class Part(NamedTuple):
    """A run of lines of one kind.

    lines: all of them, of a thought none. label: of a fence, its first word in small letters.
    code: what a fence holds. closed: False where the answer goes on without the part's end.
    """

    kind: Kind
    lines: tuple[str, ...] = ()
    label: str = ""
    code: tuple[str, ...] = ()
    closed: bool = True


def parts(text: str) -> Iterator[Part]:
    """Give the parts of an answer in their order. Its lines end with \\n alone."""
    layout, at = _Layout(text.split("\n")), 0
    while at < len(layout.lines):
        part, at = layout.part(at)
        yield part


@dataclass
class _Layout:
    """The lines of an answer while they are read.

    doubts: how many strings were never closed. left: the run of characters that opened a fence
    which was left for one within it, and whose end is still to come.
    """

    lines: list[str]
    doubts: int = 0
    left: str = ""

    def part(self, at: int) -> tuple[Part, int]:
        """Give the part that starts at a line, and the line after it."""
        line = self.lines[at]
        if not ("<" in line or "```" in line or "~~~" in line):
            return Part(Kind.PROSE, (line,)), at + 1
        if opened := OPENS_THOUGHT.match(line):
            return self._thought(at, opened)
        if ended := ENDS_THOUGHT.search(line):
            return Part(Kind.THOUGHT_ENDED), self._go_on_behind(at, ended.end())
        if HEAD.match(line):
            return self._edit(at)
        if opened := OPENS_FENCE.match(line) or _opens_behind_prose(line):
            run, label = opened[1], _label(opened[2])
            if not label and self.left and run.startswith(self.left):
                self.left = ""
                return Part(Kind.PROSE, (line,)), at + 1
            return self._fence(at, run, label)
        return Part(Kind.PROSE, (line,)), at + 1

    def _thought(self, at: int, opened: re.Match[str]) -> tuple[Part, int]:
        end, start = f"</{opened[1].lower()}>", opened.end()
        for index in range(at, len(self.lines)):
            column = self.lines[index].lower().find(end, start)
            if column >= 0:
                return Part(Kind.THOUGHT), self._go_on_behind(index, column + len(end))
            start = 0
        return Part(Kind.THOUGHT, closed=False), len(self.lines)

    def _go_on_behind(self, at: int, column: int) -> int:
        """Cut a line down to what stands behind a tag, and give the line to go on with."""
        self.lines[at] = self.lines[at][column:]
        return at if self.lines[at].strip() else at + 1

    def _edit(self, at: int) -> tuple[Part, int]:
        for index in range(at + 1, len(self.lines)):
            if HEAD.match(self.lines[index]):
                return Part(Kind.EDIT, tuple(self.lines[at:index]), closed=False), index
            if TAIL.match(self.lines[index]):
                return Part(Kind.EDIT, tuple(self.lines[at : index + 1])), index + 1
        return Part(Kind.EDIT, tuple(self.lines[at:]), closed=False), len(self.lines)

    def _fence(self, at: int, run: str, label: str) -> tuple[Part, int]:
        end = self._end(at + 1, run, label in MAYBE_PYTHON)
        code = self.lines[at + 1 : end.at]
        if not end.closed:
            if end.at < len(self.lines) and label not in PYTHON:
                self.left = run
            return Part(
                Kind.FENCE, tuple(self.lines[at : end.at]), label, tuple(code), False
            ), end.at
        last = self.lines[end.at][: end.column]
        if last.strip():
            code.append(last)
        lines = tuple(self.lines[at : end.at + 1])
        return Part(Kind.FENCE, lines, label, tuple(code)), end.at + 1

    def _end(self, start: int, run: str, may_be_python: bool) -> _End:
        """Find where a fence ends: not within a string of Python, nor later than a fence within.

        Where the strings of the code are never closed, the first line that looks like an end is.
        """
        quote, plain = "", None
        for index in range(start, len(self.lines)):
            line = self.lines[index]
            if not quote and _opens_python(line):
                return _End(index, 0, closed=False)
            column = _closing_column(line, run)
            if column is not None and plain is None:
                plain = _End(index, column)
            if not may_be_python or self.doubts >= MOST_DOUBTS:
                if plain is not None:
                    return plain
                continue
            if column is not None and not quote:
                return _End(index, column)
            quote, fence = _after(line, quote)
            if fence is not None and fence[0].startswith(run):
                return _End(index, fence.start())
        self.doubts += 1
        return plain or self._end_of_draft(start)

    def _end_of_draft(self, start: int) -> _End:
        """End a fence that never closes at the last end of a thought, else with the answer."""
        for index in reversed(range(start, len(self.lines))):
            if ENDS_THOUGHT.search(self.lines[index]):
                return _End(index, 0, closed=False)
        return _End(len(self.lines), 0, closed=False)


class _End(NamedTuple):
    """Where a fence ends: line, column, and whether that is an end of its own."""

    at: int
    column: int
    closed: bool = True


def _opens_behind_prose(line: str) -> re.Match[str] | None:
    """Match a fence with Python's label at the end of a line of prose."""
    if "```" not in line:
        return None
    match = OPENS_FENCE.match(line, line.index("```"))
    return match if match and match[2].strip().lower() in PYTHON else None


def _opens_python(line: str) -> bool:
    opened = OPENS_FENCE.match(line)
    return opened is not None and _label(opened[2]) in PYTHON


def _label(info: str) -> str:
    words = info.strip().lower().strip("{}").split(maxsplit=1)
    return words[0].lstrip(".") if words else ""


def _closing_column(line: str, run: str) -> int | None:
    """Give the column of a line's run of fence characters if that is all it holds."""
    bare = line.strip()
    closes = len(bare) >= len(run) and bare == run[0] * len(bare)
    return line.index(bare) if closes else None


def _after(line: str, quote: str) -> tuple[str, re.Match[str] | None]:
    """Give the triple quote that is open behind a line, and a fence outside of strings in it.

    quote: the triple quote that is open before the line, or nothing.
    """
    at = 0
    while token := (IN_STRING[quote] if quote else STRINGS_AND_FENCES).search(line, at):
        at = token.end()
        if token[0] == quote:
            quote = ""
        elif token[0] in IN_STRING:
            quote = token[0]
        elif token[0].startswith("```"):
            return quote, token
    return quote, None
