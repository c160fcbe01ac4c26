"""Which lines of a program its probes reach: told by the program, and believed for a report only."""

from pathlib import Path

import pytest

from evolve.check import check
from evolve.check.coverage import FLAGS, marked, unreached, written

SOURCE = '''"""What it is.

With a second line."""

from __future__ import annotations

import math

LIMIT = 3


def entry(n):
    """Say what n is."""
    if n > LIMIT:
        # many of them
        total = math.fsum(
            [1.0, 2.0]
        )

        return total
    elif n < 0:
        return -1
    for i in range(n):
        pass
    else:
        n += 1
    try:
        return 1 // n
    except ZeroDivisionError:
        return 0
    finally:
        math.floor(0.5)


class Unused:
    """Not used."""

    kind = "none"

    def method(self):
        global LIMIT
        LIMIT = 4


def one_line(n): return n
'''


def reached(source, *arguments):
    """Call `entry` of a marked program with each argument, in a fresh namespace."""
    program = marked(source)
    seen = []
    for argument in arguments:
        namespace = {}
        exec(compile(program.source, "<marked>", "exec"), namespace)
        namespace["entry"](argument)
        seen.append(namespace[FLAGS])
    return unreached(program, seen)


def test_what_no_call_reaches_is_told_by_line():
    assert written(reached(SOURCE, 1)) == "16-20, 22, 30, 42, 45"


def test_calls_reach_lines_together():
    assert written(reached(SOURCE, 5, -1, 1)) == "30, 42, 45"


def test_a_marked_program_does_the_same():
    for text in (SOURCE, marked(SOURCE).source):
        namespace = {}
        exec(compile(text, "<text>", "exec"), namespace)
        assert namespace["__doc__"].startswith("What it is.")
        assert namespace["entry"].__doc__ == "Say what n is."
        assert [namespace["entry"](n) for n in (5, -1, 1, 0)] == [3.0, -1, 0, 1]


def test_marks_fit_into_every_block_there_is():
    source = (
        "def entry(n):\n"
        "    match n:\n"
        "        case 0:\n"
        "            return 0\n"
        "        case _:\n"
        "            with open('/dev/null') as file:\n"
        "                while n: n -= 1\n"
        "                return file\n"
    )
    assert written(reached(source, 0)) == "6-8"
    assert written(reached(source, 2)) == "4"


def test_a_program_that_says_nonsense_of_itself_is_not_read():
    program = marked(SOURCE)
    all_true = [True] * len(program.statements)
    assert unreached(program, [all_true]) == ()
    assert unreached(program, [[object()] * len(all_true), all_true]) == ()
    for nonsense in (None, [], "all", {"a": 1}, [True], all_true[1:]):
        assert unreached(program, [all_true, nonsense]) is None


def test_check_names_the_lines_that_no_probe_reaches(toy):
    code = (toy / "programs" / "first.py").read_text()
    head, body = code.split("def weigh(features, k, rng):\n")
    rare = "    if len(features) == 51:\n        k = 1\n\n        k += 1\n"
    (toy / "programs" / "rare.py").write_text(
        f"{head}def weigh(features, k, rng):\n{rare}{body}".replace("1.0", "1.5")
    )
    report = check(toy, workers=2)
    assert report.ok, report.findings
    first = len(head.splitlines()) + 3
    (told,) = [f for f in report.findings if "no probe reaches" in f.message]
    assert (told.severity, told.about) == ("warning", "programs/rare.py")
    assert f"no probe reaches lines {first}-{first + 2} (line {first}: `k = 1`)" in told.message
    rows = {row["program"]: row for row in report.json()["programs"]}
    assert rows["rare"]["unreached"] == ((first, first + 2),)
    assert rows["first"]["unreached"] == ()


def test_how_many_programs_the_probes_tell_apart_is_counted(toy):
    first = (toy / "programs" / "first.py").read_text()
    # Probes have up to 50 items, the last train instance has 51.
    twin = first.replace("1.0 *", "(1.0 if len(features) < 51 else -1.0) *")
    assert twin != first
    (toy / "programs" / "twin.py").write_text(twin)
    told = check(toy, workers=2).json()["behaviours"]
    num_programs = len(list((toy / "programs").glob("*.py")))
    assert told == {"programs": num_programs, "probes": num_programs - 1, "train": num_programs}


@pytest.mark.parametrize(
    "ending",
    ["global EVOLVE_REACHED\n    EVOLVE_REACHED = 'all'", "k = EVOLVE_REACHED.clear()"],
)
def test_a_program_that_spoils_its_flags_is_said_to_tell_nothing(toy, ending):
    program = (
        '"""Spoils what it could be known by."""\n\n'
        "EVOLVE_REACHED = []\n\n\n"
        f"def weigh(features, k, rng):\n    {ending}\n    return features[:, 0] * 0.3\n"
    )
    (toy / "programs" / "spoils.py").write_text(program)
    report = check(toy, workers=2)
    assert report.ok, report.findings
    (told,) = [f.message for f in report.findings if f.about == "programs/spoils.py"]
    assert told == "which lines the probes reach could not be told"


def test_a_stepwise_program_tells_its_lines_too():
    folder = Path(__file__).resolve().parent.parent / "tasks" / "online_packing"
    report = check(folder, workers=2)
    assert report.ok, report.findings
    assert all(row.unreached is not None for row in report.rows)
