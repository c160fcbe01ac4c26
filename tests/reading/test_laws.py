"""Laws of reading: exact edits, whole programs as they are, no surprise, no quadratic time."""

import ast
import contextlib
import textwrap
import time
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from evolve.reading import (
    Unreadable,
    apply_blocks,
    changed_program,
    idea_of,
    protected,
    whole_program,
    without_thinking,
)
from evolve.reading.layout import DIVIDER

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "evolve").rglob("*.py"))]
LONG = 120_000  # characters of an answer
FRAGMENTS = [
    *(
        "```",
        "```python",
        "````",
        "~~~",
        "~~~py",
        "```json",
        "- ```py",
        "x ```python",
        "return 1```",
    ),
    *("<<<<<<< SEARCH", "=======", ">>>>>>> REPLACE", "<<<<<<< HEAD", "=====", "<<<<< "),
    *("<think>", "</think>", "a</think>", "</reasoning>b", "<thinking>x</thinking>", "<reasoning>"),
    *(
        "def f():",
        "    return 1",
        "def f(): return 2",
        "x = 1",
        "class f: x = 1",
        "f(",
        '"""',
        "'''",
    ),
    *('"', "\\", '\\"""', "# EVOLVE-BLOCK-START", "# EVOLVE-BLOCK-END", "IDEA: a", "**IDEA:**"),
    *('{"code": "def f(): return 1"}', "{", "@@ -1 +1 @@", "--- a", "+++ b", "", " ", "\t", "\r"),
    *("\u201c", "\u200b", "\ufeff", "\x00", "\ud800", "\x0c", "\u2028", "import os"),
]
any_text = st.one_of(st.text(), st.lists(st.sampled_from(FRAGMENTS)).map("\n".join))
code_lines = st.lists(
    st.sampled_from(
        ["a = 1", "    a = 1", "\ta = 1", "if a:", "", "  ", "b", "a = 1  ", "\x0c", "é"]
    ),
    min_size=1,
    max_size=12,
)


def block(search, replacement):
    return "\n".join(("<<<<<<< SEARCH", *search, "=======", *replacement, ">>>>>>> REPLACE"))


@settings(deadline=None)
@given(code_lines, code_lines | st.just([]), st.data())
def test_a_block_made_of_any_unique_slice_edits_exactly_that(lines, replacement, data):
    start = data.draw(st.integers(0, len(lines) - 1))
    stop = data.draw(st.integers(start + 1, len(lines)))
    search = lines[start:stop]
    assume(any(line.strip() for line in search))
    places = [at for at in range(len(lines)) if lines[at : at + len(search)] == search]
    edited = "\n".join(lines[:start] + replacement + lines[stop:])
    assume(places == [start] and edited != "\n".join(lines))
    assert apply_blocks(block(search, replacement), "\n".join(lines)) == edited


def test_every_function_of_ours_can_be_replaced_by_a_block_without_its_indentation():
    for source in SOURCES:
        lines = source.split("\n")
        stripped = "\n".join(line.strip() for line in ("", *lines, ""))
        for node in ast.walk(ast.parse(source)):
            if not isinstance(node, ast.FunctionDef):
                continue
            first, last, shift = node.lineno - 1, node.end_lineno, node.col_offset
            found = lines[first:last]
            bare = textwrap.dedent("\n".join(found)).split("\n")
            key = "\n".join(line.strip() for line in ("", *bare, ""))
            if stripped.count(key) != 1 or bare[0].startswith(" ") or any(map(DIVIDER.match, bare)):
                continue
            edited = [*lines[:first], " " * shift + "pass", *lines[last:]]
            assert apply_blocks(block(bare, ["pass"]), source) == "\n".join(edited)


def test_a_program_within_a_fence_comes_out_as_it_is():
    for source in SOURCES:
        functions = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]
        if not functions:
            continue
        entry = functions[-1].name
        answer = f"Some words.\n\n```python\n{source}```\n\nIDEA: as it is\n"
        assert whole_program(answer, entry) == source
        assert idea_of(answer) == "as it is"
        if textwrap.dedent(textwrap.indent(source, "   ")) == source:
            indented = textwrap.indent(f"```python\n{source}```\n", "   ")
            assert whole_program(f"1. Here:\n\n{indented}", entry) == source


@settings(deadline=None)
@given(any_text, any_text)
def test_no_answer_raises_anything_but_unreadable(text, source):
    assert len(idea_of(text) or "") <= 300
    assert len(without_thinking(text)) <= len(text)
    for read in (
        lambda: whole_program(text, "f"),
        lambda: apply_blocks(text, source),
        lambda: changed_program(text, source, "f"),
        lambda: protected(source, text),
    ):
        with contextlib.suppress(Unreadable):
            assert isinstance(read(), str)


@settings(deadline=None)
@given(any_text, any_text)
def test_what_protection_lets_pass_keeps_all_outside_the_markers(source, changed):
    try:
        passed = protected(source, changed)
    except Unreadable:
        return
    assert outside(passed) == outside(source) or "EVOLVE-BLOCK-START" not in source


def outside(text):
    """Give the lines outside of blocks, markers with them, by another reading of the rules."""
    kept, free = [], False
    for line in text.split("\n"):
        free = free and not line.strip().startswith("# EVOLVE-BLOCK-END")
        if not free:
            kept.append(line)
        free = free or line.strip().startswith("# EVOLVE-BLOCK-START")
    return kept


@pytest.mark.parametrize(
    "pattern",
    [
        *("```\n", "~~~a\n</think>\n", "</think>\n", "<think>\n", "`", "* ", "IDEA: ", "\n", "\\"),
        *(
            '```\n\\"""\n```\n',
            '```\n"""\n',
            "```python\nx = 1\n```\n",
            "```\ndef f():\n  (\n```\n",
        ),
        *(
            "<<<<<<< SEARCH\n",
            "<<<<<<< SEARCH\na\n=======\nb\n>>>>>>> REPLACE\n",
            '"',
            "{",
            '{"a":',
        ),
    ],
)
def test_four_times_the_answer_takes_no_more_than_some_ten_times_the_seconds(pattern):
    source = "a = 1\n" * 1000

    def seconds(length):
        answer = (pattern * (length // len(pattern) + 1))[:length]
        start = time.process_time()
        for read in (
            lambda: idea_of(answer),
            lambda: whole_program(answer, "f"),
            lambda: changed_program(answer, source, "f"),
        ):
            with contextlib.suppress(Unreadable):
                read()
        return time.process_time() - start

    assert seconds(LONG) < 10 * seconds(LONG // 4) + 1.0


def test_a_search_text_found_nowhere_in_a_long_program_is_answered_soon():
    source = "".join(f"    value = compute(item_{number % 50})\n" for number in range(5000))
    with pytest.raises(Unreadable, match=r"nearest lines"):
        apply_blocks(block(["    value = compute(item_77)", "x"] * 500, ["y"]), source)


def test_a_program_with_carriage_returns_keeps_them():
    source = "a = 1\r\nb = 2\r\nc = 3\r\n"
    assert apply_blocks(block(["b = 2"], ["b = 4", "d = 5"]), source) == (
        "a = 1\r\nb = 4\r\nd = 5\r\nc = 3\r\n"
    )
