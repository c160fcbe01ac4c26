"""What stands outside EVOLVE-BLOCK markers stays as it is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from evolve.reading.unreadable import Unreadable

START = re.compile(r"[ \t]*#[ \t]*EVOLVE-BLOCK-START\b")
END = re.compile(r"[ \t]*#[ \t]*EVOLVE-BLOCK-END\b")


def protected(source: str, changed: str) -> str:
    """Give a changed program with all that its parent protects exactly as it was.

    Where the parent has `# EVOLVE-BLOCK-START` and `# EVOLVE-BLOCK-END` lines, only what stands
    between them may change; the markers themselves may not. White space at the ends of lines and
    of the file counts as no change, and is put back.

    Raises: Unreadable, naming the lines of the parent that were changed.
    """
    old = _regions(source)
    if len(old) == 1:
        return changed
    new = _regions(changed)
    if len(new) != len(old):
        raise Unreadable(
            f"the parent has {len(old) // 2} block(s) between # EVOLVE-BLOCK-START and "
            f"# EVOLVE-BLOCK-END, and the changed program {len(new) // 2}: keep every marker line "
            "and change only what stands between them"
        )
    kept: list[str] = []
    for before, after in zip(old, new, strict=True):
        if before.free:
            kept.extend(after.lines)
            continue
        if difference := _difference(before, after.lines):
            raise Unreadable(
                "only what stands between # EVOLVE-BLOCK-START and # EVOLVE-BLOCK-END may change, "
                f"but {difference}: leave all lines outside as they are"
            )
        kept.extend(before.lines)
    return "\n".join(kept)


@dataclass(frozen=True, slots=True)
class _Region:
    """Lines between two markers, or outside of them with the markers; first: its number from 1."""

    first: int
    lines: tuple[str, ...]
    free: bool


def _regions(text: str) -> list[_Region]:
    """Cut a program at its markers: outside, inside, outside, ...; without any, one region.

    A block without an end reaches to the last line. A marker out of turn counts as a comment.
    """
    lines = text.split("\n")
    regions: list[_Region] = []
    first, free = 0, False
    for at, line in enumerate(lines):
        if not free and START.match(line):
            regions.append(_Region(first + 1, tuple(lines[first : at + 1]), free))
            first, free = at + 1, True
        elif free and END.match(line):
            regions.append(_Region(first + 1, tuple(lines[first:at]), free))
            first, free = at, False
    regions.append(_Region(first + 1, tuple(lines[first:]), free))
    return regions


def _difference(before: _Region, after: Sequence[str]) -> str:
    """Tell which lines of a region differ, by their numbers in the parent; nothing if none do."""
    old, new = _trimmed(before.lines), _trimmed(after)
    if old == new:
        return ""
    start = _num_equal(old, new)
    stop = len(old) - _num_equal(old[start:][::-1], new[start:][::-1])
    first, last = before.first + start, before.first + stop - 1
    if first > last:
        return f"before line {first} of the parent, `{new[start].strip()}` was added"
    lines = f"line {first}" if first == last else f"lines {first}-{last}"
    return f"{lines} of the parent, from `{old[start].strip()}` on, changed"


def _trimmed(lines: Sequence[str]) -> list[str]:
    """Give lines without white space at their ends, and without blank ones at the end."""
    return "\n".join(line.rstrip() for line in lines).rstrip("\n").split("\n")


def _num_equal(one: Sequence[str], other: Sequence[str]) -> int:
    """Count the equal lines at the start of both."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))
