"""The forms that a part of a prompt can be shortened to, and what is shortened first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

# The lowest rank is shortened first.
SPECIALIST_SOURCE, INSPIRATION, LATEST_IDEAS, FAILURES, FEEDBACK = 1, 2, 3, 4, 5
BEST_SOURCE, HIGHEST_IDEAS, STANDINGS, SCORES = 6, 7, 8, 9


@dataclass(frozen=True, slots=True)
class Form:
    """One wording of a section. lacks: what it leaves out, in words; rank: of what it would save to go on to the next form."""

    text: str
    lacks: str = ""
    rank: int = 0


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a prompt. forms: the fullest first; the last is kept whatever the room."""

    forms: tuple[Form, ...]


def whole(text: str) -> Section:
    """Give a part that is never shortened."""
    return Section((Form(text),))


def shrinking(lines: list[str], write: Callable[[list[str]], str], what: str, rank: int) -> Section:
    """Give a list in forms of all its lines, half of them, a quarter, and so on to none."""
    forms = []
    for count in halvings(len(lines)):
        missing = len(lines) - count
        lacks = f"{missing} of {len(lines)} {what}" if missing else ""
        forms.append(Form(write(lines[:count]) if count else "", lacks, rank))
    return Section(tuple(forms))


def halvings(count: int) -> list[int]:
    """Give count, its half, and so on down to 0: 5, 2, 1, 0."""
    return [count, *halvings(count // 2)] if count else [0]
