"""The screen: what is refused before a process is spent, and with which sentence."""

from __future__ import annotations

import pytest

from evolve.errors import Unparsable
from evolve.screen import Screened, screen
from evolve.spec import Measure, TaskSpec

TASK = TaskSpec(
    name="toy",
    about="a toy",
    entry="solve",
    max_source_bytes=400,
    imports=("numpy", "math"),
    measures=(Measure(name="a", range=(0, 1), bins=2), Measure(name="b", range=(0, 1), bins=2)),
)
GOOD = "def solve(x):\n    return x\n"


@pytest.mark.parametrize(
    "source",
    [
        GOOD,
        "class solve:\n    pass\n",
        f"from __future__ import annotations\nimport numpy.random\nfrom math import pi\n{GOOD}",
        f"def f():\n    import math as m\n    return m\n{GOOD}",
    ],
)
def test_a_program_as_the_task_asks_for_it_passes(source: str) -> None:
    screen(source, TASK)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (f"import os\n{GOOD}", "line 1: `os` may not be imported; allowed are numpy, math"),
        (f"import numpyx\n{GOOD}", "`numpyx` may not be imported"),
        (f"from os.path import join\n{GOOD}", "`os.path` may not be imported"),
        (f"def f():\n    import math, sys\n{GOOD}", "line 2: `sys`"),
        (f"from . import task\n{GOOD}", "a program is one file"),
        (f"os = __import__('os')\n{GOOD}", "`__import__` may not be used"),
        (f"import importlib\n{GOOD}", "`importlib`"),
        (
            "def other(x):\n    pass\n",
            "must define `solve` at module level with `def`; it defines other",
        ),
        ("solve = 3\n", "it defines no function"),
        (f"if True:\n    {GOOD.replace(chr(10), chr(10) + '    ')}", "must define `solve`"),
        (f"{GOOD}# {'x' * 400}", "bytes and the limit is 400: shorten it"),
    ],
)
def test_a_refusal_says_where_and_what_to_do(source: str, reason: str) -> None:
    with pytest.raises(Screened) as caught:
        screen(source, TASK)
    assert reason in str(caught.value)


def test_syntax_comes_with_its_line() -> None:
    with pytest.raises(Unparsable, match="line 2: "):
        screen("def solve(x):\n    return (\n", TASK)
