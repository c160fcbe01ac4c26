"""Where in a program the SEARCH text of a block stands, and how its replacement is to be indented.

A place is looked for in this order, and the first way that finds any decides: the same lines; the
same lines but for white space at their ends, blank lines around them and one shift of all
indentation; the same with typographic characters made plain; the same characters, within lines.
Whichever way finds it, there must be one place only.
"""

from __future__ import annotations

import difflib
import heapq
from collections.abc import Callable, Sequence

from evolve.reading.characters import plain_characters
from evolve.reading.unreadable import Unreadable

TAB_WIDTHS = (4, 8, 2)  # columns, tried in this order where tabs meet spaces
MOST_PLACES = 200  # looked at; a text that stands in more is told as standing in many
PLACES_TOLD = 6  # line numbers in a reason
NEAREST_LINES = 12  # of the program, shown in a reason
COMPARED_LINES = 60  # of a SEARCH text, when nearest lines are looked for
CLOSE_LINES = 20  # that are compared exactly
COMPARED_CHARACTERS = 200  # of a line; comparing takes time that grows with the square


def replaced(search: Sequence[str], replacement: Sequence[str], source: str) -> str:
    """Give a program with its one place that holds the lines of a SEARCH text replaced.

    Raises: Unreadable if there is no such place, or more than one.
    """
    lines = source.split("\n")
    if starts := _starts(search, lines, str):
        return _with(replacement, lines, _only(starts, len(search)), len(search))
    search, replacement = _without_blank_edges(search, replacement)
    for key in (str.strip, _plain):
        shifted = {
            start: text
            for start in _starts(search, lines, key)
            if (text := _reindented(search, lines[start:], replacement)) is not None
        }
        if shifted:
            start = _only(list(shifted), len(search))
            return _with(shifted[start], lines, start, len(search))
    if "\n".join(search) in source:
        return _replaced_within_lines("\n".join(search), "\n".join(replacement), source)
    raise Unreadable(_not_there(search, lines))


def _without_blank_edges(
    search: Sequence[str], replacement: Sequence[str]
) -> tuple[list[str], list[str]]:
    """Drop blank first and last lines of a SEARCH text, and as many of its replacement."""
    search, replacement = list(search), list(replacement)
    for edge in (0, -1):
        while len(search) > 1 and not search[edge].strip():
            search.pop(edge)
            if replacement and not replacement[edge].strip():
                replacement.pop(edge)
    return search, replacement


def _starts(search: Sequence[str], lines: Sequence[str], key: Callable[[str], str]) -> list[int]:
    """Give the first lines, from 0, of all places where these lines stand, overlapping ones too."""
    hay = "\n".join(("", *map(key, lines), ""))
    needle = "\n".join(("", *map(key, search), ""))
    starts: list[int] = []
    at, line = hay.find(needle), 0
    counted = 0
    while at >= 0 and len(starts) < MOST_PLACES:
        line += hay.count("\n", counted, at)
        counted = at
        starts.append(line)
        at = hay.find(needle, at + 1)
    return starts


def _plain(line: str) -> str:
    return plain_characters(line).strip()


def _only(starts: Sequence[int], num_lines: int) -> int:
    """Give the only one. Raises: Unreadable with the line numbers if there are more."""
    if len(starts) == 1:
        return starts[0]
    told = [
        str(start + 1) if num_lines == 1 else f"{start + 1}-{start + num_lines}"
        for start in starts[:PLACES_TOLD]
    ]
    more = " and elsewhere" if len(starts) > PLACES_TOLD else ""
    raise Unreadable(
        f"its SEARCH text stands in {len(starts)} places of the program, lines "
        f"{', '.join(told)}{more}: copy more of the lines around the one that is meant"
    )


def _with(new: Sequence[str], lines: Sequence[str], first: int, num: int) -> str:
    """Put lines in the place of others, and end them as those ended."""
    if lines[first].endswith("\r"):
        new = [f"{line}\r" for line in new]
    return "\n".join((*lines[:first], *new, *lines[first + num :]))


def _reindented(
    search: Sequence[str], found: Sequence[str], replacement: Sequence[str]
) -> list[str] | None:
    """Indent a replacement as the lines that were found; None if no one shift explains those.

    found: the lines from where the SEARCH text was found to the end of the program.
    """
    pairs = [(old, new) for old, new in zip(search, found, strict=False) if old.strip()]
    if all(_indent(old) == _indent(new) for old, new in pairs):
        return list(replacement)
    for width in TAB_WIDTHS:
        shifts = {_columns(new, width) - _columns(old, width) for old, new in pairs}
        if len(shifts) == 1:
            shift, tabs = shifts.pop(), any("\t" in _indent(new) for _, new in pairs)
            return [_indented(line, shift, width, tabs) for line in replacement]
    return None


def _indent(line: str) -> str:
    return plain_characters(line[: len(line) - len(line.lstrip())])


def _columns(line: str, width: int) -> int:
    return len(_indent(line).expandtabs(width))


def _indented(line: str, shift: int, width: int, tabs: bool) -> str:
    if not line.strip():
        return line
    columns = max(_columns(line, width) + shift, 0)
    indent = "\t" * (columns // width) + " " * (columns % width) if tabs else " " * columns
    return indent + line.lstrip()


def _replaced_within_lines(search: str, replacement: str, source: str) -> str:
    """Replace characters that do not fill their lines: an expression, or a first line cut short."""
    first, last = source.find(search), source.rfind(search)
    if first != last:
        raise Unreadable(
            "its SEARCH text stands in several places of the program, the first in line "
            f"{_line_of(first, source)}, the last in line {_line_of(last, source)}: copy whole "
            "lines, and more of them"
        )
    return source[:first] + replacement + source[first + len(search) :]


def _line_of(at: int, source: str) -> int:
    return source.count("\n", 0, at) + 1


def _not_there(search: Sequence[str], lines: Sequence[str]) -> str:
    """Say that the text is not there, with the lines that are most like it."""
    return (
        "its SEARCH text is not in the program. The nearest lines of the program are:\n"
        f"{nearest(search, lines)}\nCopy SEARCH text from the program as it is now, line by line"
    )


def nearest(search: Sequence[str], lines: Sequence[str]) -> str:
    """Give the lines of a program that are most like a text, with their numbers from 1."""
    wanted = [line.strip()[:COMPARED_CHARACTERS] for line in search[:COMPARED_LINES]]
    there = [line.strip()[:COMPARED_CHARACTERS] for line in lines]
    matcher = difflib.SequenceMatcher(lambda line: not line, there, wanted, autojunk=False)
    same = matcher.find_longest_match()
    at, offset = same.a, same.b
    if not same.size:
        offset = max(range(len(wanted)), key=lambda index: len(wanted[index]))
        at = _most_alike(wanted[offset], there)
    first = max(at - offset, 0)
    shown = lines[first : first + max(min(len(search) + 1, NEAREST_LINES), 2)]
    return "\n".join(
        f"{number:4d} | {line.rstrip()[:COMPARED_CHARACTERS]}"
        for number, line in enumerate(shown, first + 1)
    )


def _most_alike(wanted: str, lines: Sequence[str]) -> int:
    """Give the index of the line that is most like another, by a rough ratio, then by the true."""
    matcher = difflib.SequenceMatcher(autojunk=False)
    matcher.set_seq2(wanted)

    def ratio(index: int, exact: bool) -> float:
        matcher.set_seq1(lines[index])
        return matcher.ratio() if exact else matcher.quick_ratio()

    close = heapq.nlargest(CLOSE_LINES, range(len(lines)), key=lambda index: ratio(index, False))
    return max(close, key=lambda index: ratio(index, True))
