"""A stepwise task is checked, searched and exported like any other; its faults are named."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from archive import queries
from archive.store import Archive
from evolve import RunLimits, load_task, open_run, search
from evolve.check import check
from evolve.export import export

TASKS = Path(__file__).resolve().parent.parent / "tasks"
TIMEOUT_S = 600


@pytest.fixture
def task(tmp_path):
    folder = tmp_path / "online_packing"
    return Path(
        shutil.copytree(
            TASKS / "online_packing", folder, ignore=shutil.ignore_patterns("__pycache__")
        )
    )


def errors(folder):
    found = check(folder, workers=2).findings
    return [f"{f.about}: {f.message}" for f in found if f.severity == "error"]


def edit(path, before, after):
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))


def test_a_stepwise_task_passes_and_its_programs_are_told_apart(task):
    report = check(task, workers=2)
    assert report.ok, report.findings
    assert [row.program for row in report.rows] == ["best_fit", "trivial", "next_fit"]
    assert len({row.behaviour for row in report.rows}) == 3


def test_ten_steps_are_the_same_with_one_worker_or_two_and_can_be_exported(task, tmp_path):
    told = []
    for workers in (1, 2):
        with Archive.open(tmp_path / f"{workers}.db") as archive:
            run = open_run(load_task(task), archive=archive, rng_seed=5, limits=RunLimits(steps=10))
            assert search(run, workers=workers) == "steps"
            steps = queries.told_steps(archive, archive.run().id)
            told.append([(step.source, step.status, step.outputs_digest) for step in steps])
            if workers == 2:
                export(archive, None, tmp_path / "found")
    assert told[0] == told[1]
    assert [status for _, status, _ in told[0][:3]] == ["ok"] * 3
    command = [sys.executable, str(tmp_path / "found" / "test_exported.py")]
    subprocess.run(command, check=True, timeout=TIMEOUT_S)


def test_an_answer_that_breaks_the_rules_is_invalid_and_says_why(task):
    (task / "programs" / "greedy.py").write_text(
        '"""Everything into the first bin."""\n\n\ndef place(capacity, size, rooms, rng):\n'
        "    return 0\n"
    )
    found = errors(task)
    assert any("programs/greedy.py: is invalid on probe-0-0" in error for error in found)
    assert any("greedy.py: is invalid on `train`: train-0-0: a bin would hold" in e for e in found)


def test_a_control_is_fed_too_and_may_read_what_is_hidden(task):
    (task / "controls").mkdir()
    control = task / "controls" / "knows.py"
    control.write_text(
        "def place(capacity, size, rooms, rng, private):\n"
        "    assert size in private['items']\n    return len(rooms)\n"
    )
    assert errors(task) == []
    edit(control, "len(rooms)", "-1")
    assert any("a control, fed train-0-0: answer a bin from 0 to 0" in e for e in errors(task))


def test_a_stepwise_task_without_a_feed_is_named(task):
    edit(task / "task.py", "def feed(", "def fed(")
    assert any("defines no function `feed`" in error for error in errors(task))


def test_a_harness_beside_a_feed_gives_what_answers_the_items(task):
    (task / "harness.py").write_text(
        "from functools import partial\n\n\n"
        "def call(candidate, public, rng):\n"
        "    return partial(candidate, **public, rng=rng)\n"
    )
    assert errors(task) == []


def test_a_feed_that_fails_is_shown_with_its_line_and_is_no_programs_fault(task):
    edit(task / "task.py", "bins.append(chosen)", "bins.append(chosen / 0)")
    (fault,) = [error for error in errors(task) if error.startswith("task.py: train")]
    assert "feed() of train-0-0 failed" in fault
    assert "ZeroDivisionError" in fault


def test_an_item_that_cannot_cross_is_the_feeds_fault(task):
    edit(task / "task.py", '{"size": size,', '{"size": {size},')
    assert any("size is a builtins.set" in e for e in errors(task) if e.startswith("task.py: "))


def test_an_output_that_no_candidate_could_give_is_the_feeds_fault(task):
    edit(task / "task.py", "return bins", "return set(bins)")
    assert any("the tree is a builtins.set" in e for e in errors(task) if e.startswith("task.py: "))
