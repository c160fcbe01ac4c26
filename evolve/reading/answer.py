"""From a model's answer to a whole program, its idea, and the answer without thinking aloud."""

from __future__ import annotations

import ast
import builtins
import json
import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from evolve.errors import Unparsable
from evolve.reading.characters import mended, plain_characters
from evolve.reading.layout import HEAD, MAYBE_PYTHON, PYTHON, Kind, Part, parts
from evolve.reading.unreadable import Unreadable

IDEA = re.compile(r"[\W\d_]*IDEA[ \t*_`\"]*[:\uff1a](.*)", re.IGNORECASE)
IDEA_MARKUP = [(mark, mark) for mark in ("**", "__", "*", "_", "`", '"', "'")]
IDEA_MARKUP += [("\u201c", "\u201d"), ("\u2018", "\u2019")]
"""What may stand before and behind an idea; long marks before those that they are made of."""

LONGEST_IDEA = 300  # characters: one line of a prompt's list of what was tried

LONGEST_PROGRAM = 100_000
"""Characters. Tasks set narrower limits; this one bounds the seconds that parsing takes."""

MOST_FENCES = 300  # the last ones of an answer, each of which is parsed
STARTS_CODE = re.compile(r"import \w|from [\w.]+ import |(?:async )?def \w+\(|class \w+|@\w")
UNIFIED_DIFF = re.compile(r"^(?:@@ -\d+(?:,\d+)? \+\d+|--- \S.*\n\+\+\+ \S)", re.MULTILINE)
SEND = "send the whole program in one ```python block"


def without_thinking(text: str) -> str:
    """Give an answer without what was thought aloud, byte order mark and carriage returns.

    Thought is what stands in <think>, <thinking> or <reasoning>; all before a closing tag alone,
    and all behind an opening tag alone. Such tags within code are left as they are.
    """
    kept: list[str] = []
    for part in parts(text.removeprefix("\ufeff").replace("\r\n", "\n")):
        if part.kind is Kind.THOUGHT_ENDED:
            kept.clear()
        kept.extend(part.lines)
    return "\n".join(kept)


def idea_of(text: str) -> str | None:
    """Give what the last `IDEA:` line outside code says, in at most LONGEST_IDEA characters."""
    idea = None
    for part in parts(without_thinking(text)):
        found = IDEA.match(part.lines[0]) if part.kind is Kind.PROSE else None
        if found:
            idea = _without_markup(" ".join(found[1].split())) or idea
    if idea is None or len(idea) <= LONGEST_IDEA:
        return idea
    return f"{idea[: LONGEST_IDEA - 1]}\u2026"


def _without_markup(idea: str) -> str:
    """Take off the marks around an idea, but not one whose fellow stands within it."""
    for opening, closing in IDEA_MARKUP:
        inner = idea.removeprefix(opening).removesuffix(closing)
        if opening not in inner and closing not in inner:
            idea = inner.strip()
    return idea


def whole_program(text: str, entry: str) -> str:
    """Give the program that an answer holds: the last fenced block that defines the entry point.

    Blocks before it that define names which it uses and lacks are put in front. Where no single
    block is a program, all of them in a row may be one. An answer without fences may be code, or
    JSON that holds the code. Stubs (`def f(): ...`) define nothing.

    Raises: Unreadable.
    """
    answer = without_thinking(text)
    if not answer.strip():
        raise Unreadable(f"the answer is empty: {SEND}")
    fences = [part for part in parts(answer) if part.kind is Kind.FENCE and any(part.code)]
    closed = [part for part in fences if part.closed][-MOST_FENCES:]
    if not fences:
        return _bare_program(answer, entry)
    if _is_cut_off(fences, entry):
        raise Unreadable(
            "the last code block has no closing fence, so the program may be cut off: send the "
            "whole program again in one ```python block, with fewer words around it"
        )
    pieces = [_piece(part) for part in closed]
    program = _in_json(closed, entry) or _last_program(pieces, entry) or _joined(closed, entry)
    if program is None:
        raise Unreadable(_why_none(answer, pieces, entry))
    return program


@dataclass(frozen=True)
class _Piece:
    """One fenced block: its code, and what is wrong with it or the names that it defines."""

    code: str
    fault: str
    tree: ast.Module | None

    @property
    def names(self) -> set[str]:
        """The names that it binds at module level."""
        return {name for node in _module_level(self.tree) for name in _bound(node)}


def _piece(part: Part) -> _Piece:
    code = "\n".join(part.code).strip("\n")
    return _parsed(textwrap.dedent(code) if code[:1].isspace() else code)


def _parsed(code: str) -> _Piece:
    code = code.strip("\n").rstrip() + "\n"
    if len(code) > LONGEST_PROGRAM:
        fault = f"it has {len(code):,} characters, more than {LONGEST_PROGRAM:,}: shorten it"
        return _Piece(code, fault, None)
    try:
        code, tree = mended(code)
        return _Piece(code, "", tree)
    except Unparsable as error:
        return _Piece(code, f"{error}{_quoted_line(code, str(error))}", None)


def _quoted_line(code: str, fault: str) -> str:
    number = re.match(r"line (\d+)", fault)
    lines = code.split("\n")
    line = lines[int(number[1]) - 1].strip() if number and int(number[1]) <= len(lines) else ""
    return f", in `{line[:100]}`" if line else ""


def _is_cut_off(fences: Sequence[Part], entry: str) -> bool:
    """Tell whether the last fence never closes and seems to hold the program, or part of it."""
    last, before = fences[-1], [part for part in fences if part.closed]
    return not last.closed and (
        last.label in PYTHON or not before or _mentions("\n".join(last.code), entry)
    )


def _last_program(pieces: Sequence[_Piece], entry: str) -> str | None:
    """Give the last piece that defines the entry point, with the helpers it lacks in front.

    Where that piece cannot be parsed there is none: an earlier one is not what was meant.
    """
    for index, piece in reversed(tuple(enumerate(pieces))):
        if piece.tree and _defines(piece.tree, entry):
            return _with_helpers(pieces[:index], piece)
        if _is_faulty_program(piece, entry):
            return None
    return None


def _is_faulty_program(piece: _Piece, entry: str) -> bool:
    """Tell whether a piece would be the program if it parsed; a line alone is a mere signature."""
    return bool(piece.fault) and piece.code.count("\n") > 1 and _mentions(piece.code, entry)


def _with_helpers(before: Sequence[_Piece], chosen: _Piece) -> str:
    """Put those earlier pieces in front that define names which are used and defined nowhere else.

    A program told as "first the helpers, then the rest" would fail on its first call otherwise.
    """
    assert chosen.tree is not None
    code, lacking = chosen.code, _lacking(chosen.tree)
    for piece in reversed(before):
        if piece.tree and lacking & piece.names:
            code = f"{piece.code}\n\n{code}"
            lacking = (lacking | _lacking(piece.tree)) - piece.names
    return chosen.code if _parsed(code).fault else code


def _lacking(tree: ast.Module) -> set[str]:
    """Give the names that a module reads and nowhere binds; too few rather than too many."""
    nodes = list(ast.walk(tree))
    read = {node.id for node in nodes if isinstance(node, ast.Name)}
    return read.difference(dir(builtins), *map(_bound, nodes))


def _module_level(tree: ast.Module | None) -> Iterator[ast.AST]:
    """Walk what runs when a module is loaded, but not into functions and classes."""
    for statement in tree.body if tree else ():
        if isinstance(statement, ast.FunctionDef | ast.ClassDef):
            yield statement
        else:
            yield from ast.walk(statement)


def _bound(node: ast.AST) -> set[str]:
    match node:
        case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name):
            return {name}
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return {name}
        case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
            return {alias.asname or alias.name.split(".")[0] for alias in aliases}
        case ast.ExceptHandler(name=str(name)):
            return {name}
    return set()


def _joined(fences: Sequence[Part], entry: str) -> str | None:
    """Give all blocks in a row if only together they are a program: one that fences cut apart."""
    codes = ["\n".join(part.code) for part in fences if part.label in MAYBE_PYTHON]
    piece = _parsed("\n".join(codes))
    return piece.code if piece.tree and _defines(piece.tree, entry) else None


def _in_json(fences: Sequence[Part], entry: str) -> str | None:
    for part in reversed(fences):
        program = _from_json("\n".join(part.code), entry)
        if program is not None:
            return program
    return None


def _from_json(text: str, entry: str) -> str | None:
    """Give the program that is a value of a JSON object, as models write it that love tools."""
    if not text.strip().startswith("{"):
        return None
    try:
        values = json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return None
    for value in reversed(values.values()):
        if isinstance(value, str) and _mentions(value, entry):
            return whole_program(value, entry)
    return None


def _bare_program(answer: str, entry: str) -> str:
    """Give the program of an answer without fences: all of it, or all from its first code on."""
    program = _from_json(answer, entry)
    if program is not None:
        return program
    lines = [line for line in answer.split("\n") if "IDEA" not in line or not IDEA.match(line)]
    first = next((index for index, line in enumerate(lines) if STARTS_CODE.match(line)), 0)
    whole, rest = _parsed("\n".join(lines)), _parsed("\n".join(lines[first:]))
    for piece in (whole, rest):
        if piece.tree and _defines(piece.tree, entry):
            return piece.code
    looks_like_code = _is_faulty_program(rest, entry) or (rest.tree and rest.tree.body)
    pieces = [rest] if looks_like_code else []
    raise Unreadable(_why_none(answer, pieces, entry))


def _why_none(answer: str, pieces: Sequence[_Piece], entry: str) -> str:
    """Say why an answer holds no program and what to send instead."""
    if UNIFIED_DIFF.search(answer):
        return f"the answer is a unified diff, whose line numbers cannot be relied on: {SEND}"
    if any(HEAD.match(line) for line in answer.split("\n")):
        return f"the answer holds SEARCH/REPLACE blocks where a program was asked for: {SEND}"
    if not pieces:
        return f"the answer holds no fenced code block that could be the program: {SEND}"
    for number, piece in reversed(tuple(enumerate(pieces, 1))):
        if _is_faulty_program(piece, entry):
            return (
                f"code block {number} of {len(pieces)} cannot be read: {piece.fault}. Correct it "
                f"and {SEND}"
            )
    defined = sorted(set().union(*(_definitions(piece.tree) for piece in pieces if piece.tree)))
    if not defined and pieces[-1].fault:
        return (
            f"no code block is a program that defines `{entry}`, and the last one cannot be "
            f"read: {pieces[-1].fault}. Correct it and {SEND}"
        )
    found = f"they define {', '.join(defined)}" if defined else "they define no function"
    return (
        f"no code block defines `{entry}` at module level ({found}): write `def {entry}(...)` "
        f"and {SEND}"
    )


def _definitions(tree: ast.Module) -> set[str]:
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}


def _mentions(code: str, entry: str) -> bool:
    """Tell whether a line seems to define the entry point at module level."""
    line = re.compile(rf"^(?:async[ \t]+)?(?:def|class)[ \t]+{re.escape(entry)}\b", re.MULTILINE)
    return line.search(plain_characters(code)) is not None


def _defines(tree: ast.Module, entry: str) -> bool:
    """Tell whether a module defines the entry point, by more than a stub."""
    return any(
        isinstance(node, ast.FunctionDef | ast.ClassDef)
        and node.name == entry
        and not all(_says_nothing(statement) for statement in node.body)
        for node in tree.body
    )


def _says_nothing(statement: ast.stmt) -> bool:
    match statement:
        case ast.Pass() | ast.Expr(value=ast.Constant(value=str() | builtins.Ellipsis)):
            return True
    return False
