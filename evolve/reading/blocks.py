"""From SEARCH/REPLACE blocks and a parent to the changed program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from evolve.errors import Unparsable
from evolve.reading.answer import whole_program, without_thinking
from evolve.reading.characters import mended
from evolve.reading.layout import DIVIDER, HEAD, OPENS_FENCE, TAIL
from evolve.reading.matching import replaced
from evolve.reading.protection import protected
from evolve.reading.unreadable import Unreadable

MOST_BLOCKS = 100
"""More are no focused change, and each is looked for in the whole program."""

FORM = "\n<<<<<<< SEARCH\n(old lines)\n=======\n(new lines)\n>>>>>>> REPLACE"


def changed_program(text: str, source: str, entry: str) -> str:
    """Give the program that an answer makes of a parent, by blocks or written anew.

    An answer without blocks counts if it holds a whole program, which defines the entry point.
    Typographic characters are made plain where that alone makes the program parse; a program that
    does not parse is given as it is.

    Raises: Unreadable, also where nothing is changed, or more than the parent's markers allow.
    """
    answer = without_thinking(text)
    if not answer.strip():
        raise Unreadable(f"the answer is empty: send blocks of this form:{FORM}")
    if any(HEAD.match(line) for line in answer.split("\n")):
        return _parsing_if_possible(apply_blocks(answer, source))
    try:
        program = whole_program(answer, entry)
    except Unreadable as error:
        raise Unreadable(
            f"the answer holds no SEARCH/REPLACE block and no whole program either; {error}; or "
            f"send blocks of this form:{FORM}"
        ) from error
    if program.strip() == source.strip():
        raise Unreadable("the program in the answer is the parent, unchanged: change something")
    return protected(source, program)


def apply_blocks(text: str, source: str) -> str:
    """Give a program with the blocks of an answer applied in their order, each to what is there.

    A block's old lines must stand there once. They may differ in white space: at the ends of
    lines, and by one shift of all indentation, which its new lines then share. A block with no
    old lines fills an empty program only.

    Raises: Unreadable.
    """
    blocks = _blocks(without_thinking(text).split("\n"))
    changed = source
    for number, block in enumerate(blocks, 1):
        try:
            changed = _applied(block, changed)
        except Unreadable as error:
            earlier = "; earlier blocks are applied already" if number > 1 else ""
            raise Unreadable(f"block {number} of {len(blocks)}: {error}{earlier}") from error
    if changed == source:
        raise Unreadable("the blocks together change nothing: change something")
    return protected(source, changed)


@dataclass(frozen=True, slots=True)
class _Block:
    """The lines to find and those to put there."""

    search: tuple[str, ...]
    replacement: tuple[str, ...]


def _blocks(lines: Sequence[str]) -> list[_Block]:
    """Read the blocks wherever they stand, in fences or not. Raises: Unreadable."""
    blocks: list[_Block] = []
    head: int | None = None
    for at, line in enumerate(lines):
        if HEAD.match(line):
            if head is not None:
                raise Unreadable(_not_ended(len(blocks) + 1))
            head = at
        elif head is not None and TAIL.match(line):
            blocks.append(_block(lines[head:at], len(blocks) + 1))
            head = None
    if head is not None:
        raise Unreadable(_not_ended(len(blocks) + 1))
    if not blocks:
        raise Unreadable(f"the answer holds no block of this form:{FORM}")
    if len(blocks) > MOST_BLOCKS:
        raise Unreadable(
            f"the answer holds {len(blocks)} blocks and {MOST_BLOCKS} is the limit: send fewer"
        )
    return blocks


def _not_ended(number: int) -> str:
    return (
        f"block {number} has no >>>>>>> REPLACE line, so the answer may be cut off: send all "
        f"blocks again, each of this form:{FORM}"
    )


def _block(lines: Sequence[str], number: int) -> _Block:
    """Divide the lines of a block, its head first and its tail not among them.

    Code may hold lines of equal signs, as a docstring does below a title; among several, one as
    long as the block's head divides it.
    """
    dividers = [at for at, line in enumerate(lines) if DIVIDER.match(line)]
    if len(dividers) > 1:
        length = lines[0].count("<")
        dividers = [at for at in dividers if lines[at].count("=") == length]
    if len(dividers) != 1:
        raise Unreadable(
            f"block {number} must have one ======= line between old and new lines, as long as its "
            "<<<<<<< line; where the code itself holds such a line, use nine characters"
        )
    return _Block(tuple(lines[1 : dividers[0]]), tuple(lines[dividers[0] + 1 :]))


def _applied(block: _Block, source: str) -> str:
    """Put one block into a program. Raises: Unreadable."""
    if not any(line.strip() for line in block.search):
        if source.strip():
            raise Unreadable(
                "its SEARCH text is empty, which only an empty program allows: copy the lines "
                "before or behind which the new ones belong, and repeat them in REPLACE"
            )
        return "\n".join(block.replacement).strip("\n") + "\n"
    if block.search == block.replacement:
        raise Unreadable("its SEARCH and REPLACE texts are equal, so it changes nothing")
    bare = replace(block, search=_unfenced(block.search), replacement=_unfenced(block.replacement))
    if bare.search != block.search and "\n".join(block.search) not in source:
        block = bare
    return replaced(block.search, block.replacement, source)


def _unfenced(lines: tuple[str, ...]) -> tuple[str, ...]:
    """Take the fence off lines that stand within one of their own."""
    stripped = [at for at, line in enumerate(lines) if line.strip()]
    if len(stripped) < 2:
        return lines
    first, last = stripped[0], stripped[-1]
    fenced = OPENS_FENCE.match(lines[first]) and lines[last].strip() in ("```", "~~~")
    return lines[first + 1 : last] if fenced else lines


def _parsing_if_possible(program: str) -> str:
    try:
        return mended(program)[0]
    except Unparsable:
        return program
