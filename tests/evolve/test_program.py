"""Identity of programs: what cannot be seen changes nothing, everything else does."""

from __future__ import annotations

import ast
import textwrap

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evolve.errors import Unparsable
from evolve.program import count_nodes, parse, program_id

BASE = """
import numpy as np

LIMIT = 3


def helper(x, scale=2.0):
    total = 0
    for item in x:
        total += item * scale
    return total


def select(pool, k, rng):
    items = [i for i in range(k) if i > LIMIT]
    best = max(items, key=lambda j: pool[j])

    def nested(a):
        nonlocal best
        best = a
        return helper([best])

    with open("f") as handle:
        nested(handle)
    try:
        value = helper(items, scale=3)
    except ValueError as error:
        value = str(error)
    return value + best
"""


def same(one: str, other: str) -> bool:
    return program_id(textwrap.dedent(one)) == program_id(textwrap.dedent(other))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("total", "sum_so_far"),
        ("items", "chosen"),
        ("handle", "h"),
        ("value", "total"),
        ("best", "x"),
        ("nested", "inner"),
        ("i for i in range(k) if i >", "q for q in range(k) if q >"),
        ("as error:\n        value = str(error)", "as e:\n        value = str(e)"),
        ("def helper(x, scale=2.0):\n", 'def helper(x, scale=2.0):\n    """Doc."""\n'),
        (
            "def helper(x, scale=2.0):",
            "def helper(x: np.ndarray, scale: float = 2.0) -> list[int]:",
        ),
        ("    total = 0\n", "    # a comment\n    total: int = 0\n"),
        ("LIMIT = 3", "LIMIT = (3)\n'a string of no use'"),
        ("    return total", "    pass\n    return total"),
    ],
)
def test_what_a_program_cannot_see_of_itself_keeps_the_identity(old: str, new: str) -> None:
    assert old in BASE
    assert program_id(BASE.replace(old, new)) == program_id(BASE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("LIMIT = 3", "LIMIT = 4"),
        ("LIMIT = 3", "LIMIT = 3.0"),
        ("i > LIMIT", "i >= LIMIT"),
        ("total += item", "total -= item"),
        ("x, scale=2.0", "y, scale=2.0"),
        ("scale=2.0", "size=2.0"),
        ("def helper", "def other"),
        ("LIMIT", "BOUND"),
        ("nonlocal best", "best = 0"),
        ("item * scale", "scale * item"),
        ("lambda j: pool[j]", "lambda i: pool[i]"),  # parameters, of a lambda too, keep their names
        ("return value + best", "return best + value"),
        ("def helper(x,", "def helper(x: undefined,"),  # would fail at import
    ],
)
def test_everything_else_changes_the_identity(old: str, new: str) -> None:
    assert old in BASE
    assert program_id(BASE.replace(old, new)) != program_id(BASE)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        # the two swap roles: not a renaming of one variable into another
        ("def f(x):\n a = 1\n b = 2\n return a", "def f(x):\n a = 1\n b = 2\n return b"),
        # a global is no local
        ("def f():\n global n\n n = 1", "def f():\n global m\n m = 1"),
        ("def f():\n return n", "def f():\n return m"),
        # names of a class body are attributes
        ("class C:\n n = 1", "class C:\n m = 1"),
        # a local that hides a global differs from the global
        ("n = 1\ndef f():\n n = 2\n return n", "n = 1\ndef f():\n m = 2\n return n"),
        # a class body reads past the function's local of the same name
        (
            "def f():\n n = 1\n class C:\n  n = n\n return C",
            "def f():\n m = 1\n class C:\n  n = m\n return C",
        ),
        # an assignment expression in a lambda is the lambda's own
        (
            "def f(x):\n return [(lambda: (y := x))() for _ in x] + [y]",
            "def f(x):\n return [(lambda: (z := x))() for _ in x] + [z]",
        ),
        ("def f(x: 'a' | None): pass", "def f(x): pass"),
        (
            "import functools\n@functools.cache\ndef f(x: int): pass",
            "import functools\n@functools.cache\ndef f(x): pass",
        ),
    ],
)
def test_scopes_are_pythons_own(one: str, other: str) -> None:
    assert not same(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("def f(x):\n return [y := i for i in x], y", "def f(x):\n return [z := j for j in x], z"),
        ("def f(x):\n import numpy\n return numpy.e", "def f(x):\n import numpy as q\n return q.e"),
        (
            "def f(x):\n match x:\n  case [a, *b]: return a, b\n  case {'k': c, **d}: return c, d",
            "def f(x):\n match x:\n  case [p, *q]: return p, q\n  case {'k': r, **s}: return r, s",
        ),
        ("v = [i for i in range(3)]", "v = [j for j in range(3)]"),
        ("def f(x):\n del_me = 1\n del del_me", "def f(x):\n y = 1\n del y"),
        ("from typing import Any\ndef f(x: Any): pass", "from typing import Any\ndef f(x): pass"),
        (
            "if __name__ == '__main__':\n pass\ndef f():\n a = 1",
            "if __name__ == '__main__':\n pass\ndef f():\n b = 1",
        ),
    ],
)
def test_renaming_reaches_every_kind_of_binding(one: str, other: str) -> None:
    assert same(one, other)


@pytest.mark.parametrize(
    "look", ["locals()", "eval('a')", "f.__doc__", "vars()", "getattr(f, '__doc__')", "globals()"]
)
def test_where_a_program_can_look_at_itself_nothing_is_renamed(look: str) -> None:
    one = f"def f(x):\n    '''Doc.'''\n    a = x\n    return {look}, a"
    assert not same(one, one.replace("a = x", "b = x").replace(", a", ", b"))
    assert not same(one, one.replace("Doc.", "Other."))


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("x = (", "line 1: '('"),
        ("x = 1\ny = = 2", "line 2: invalid syntax"),
        ("a\0b", "null bytes"),
        ("(" * 300 + ")" * 300, "nested"),
        ("-" * 50_000 + "1", "nested"),
        ("+".join(["1"] * 20_000), "nested"),
        ("x = 0x" + "f" * 9000, "4300 digits"),
        ("return 1", "line 1: 'return' outside function"),
        ("def f():\n    x = 1\n    nonlocal x", "line 3"),
        ("x = '\ud800'", "line 1"),
    ],
)
def test_what_python_cannot_take_is_unparsable_with_its_line(source: str, reason: str) -> None:
    for question in (program_id, count_nodes):
        with pytest.raises(Unparsable, match=r"^line \d+: ") as caught:
            question(source)
        assert reason in str(caught.value)


def test_size_counts_what_is_left_after_normalisation() -> None:
    assert count_nodes(BASE) == count_nodes(BASE.replace("LIMIT = 3", "LIMIT = 3  # why\n'text'"))
    assert count_nodes(BASE.replace("total += item", "total += 1 + item")) == count_nodes(BASE) + 3


def test_identity_is_thirty_two_hex_digits_and_survives_reprinting() -> None:
    assert len(program_id(BASE)) == 32
    assert program_id(ast.unparse(parse(BASE))) == program_id(BASE)


NAMES = st.sampled_from([f"name_{i}" for i in range(30)])


@given(st.lists(NAMES, min_size=7, max_size=7, unique=True))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_consistent_renaming_of_locals_keeps_the_identity(names: list[str]) -> None:
    tree = ast.parse(BASE)
    locals_ = ["total", "item", "items", "best", "nested", "handle", "value"]
    new = dict(zip(locals_, names, strict=True))
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            node.id = new.get(node.id, node.id)
        elif isinstance(node, ast.FunctionDef):
            node.name = new.get(node.name, node.name)
        elif isinstance(node, ast.Nonlocal):
            node.names = [new.get(name, name) for name in node.names]
    assert program_id(ast.unparse(tree)) == program_id(BASE)


@given(st.integers(0, 400), st.integers(-5, 5))
@settings(max_examples=60, deadline=None)
def test_any_other_constant_is_another_program(place: int, value: int) -> None:
    tree = ast.parse(BASE)
    constants = [
        node for node in ast.walk(tree) if isinstance(node, ast.Constant) and node.value is not None
    ]
    node = constants[place % len(constants)]
    if type(node.value) is int and node.value == value:
        return
    node.value = value
    assert program_id(ast.unparse(tree)) != program_id(BASE)


@given(st.text(max_size=60))
@settings(max_examples=200, deadline=None)
def test_any_text_has_an_identity_or_a_reason(text: str) -> None:
    try:
        found = program_id(text)
    except Unparsable as error:
        found = str(error)
    assert found.startswith("line ") or len(found) == 32
