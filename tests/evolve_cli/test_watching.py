"""Stories of `evolve runs --watch`: runs that others write, seen as they move, from anywhere."""

import os
import pty
import signal
import subprocess
import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from archive.errors import ArchiveError
from archive.store import Archive
from evolve import RunLimits, load_task, open_run
from evolve.watching import Seen, Watched, Watcher, _looks

TOY = Path(__file__).resolve().parents[1] / "tasks/toy"
# No wait of these tests is longer, even on a machine that does much else.
PATIENCE_S = 600
SEEN = Seen("toy-1", "toy", "running", 10, 40, -0.5)


def drawn(watcher, height=24):
    console = Console(width=80, record=True, file=open(os.devnull, "w"))  # noqa: PTH123, SIM115
    console.print(watcher.draw(height))
    return console.export_text()


def begun(archive, name, limits=None):
    task = load_task(TOY, ["grade_ms=0"])
    return open_run(task, archive=archive, name=name, limits=limits or RunLimits(steps=40))


def test_what_runs_are_is_told_by_their_locks(archive_url):
    with Archive.open(archive_url) as archive, Archive.open(archive_url) as elsewhere:
        watcher = Watcher(elsewhere)
        assert "no runs yet" in drawn(watcher)
        resting = begun(archive, "resting", RunLimits(evaluations=9))
        resting.close("interrupted")
        with_lock = begun(archive, "at-work")
        try:
            assert {run.seen.name for run in watcher.look()} == {"resting", "at-work"}
            lines = drawn(watcher).splitlines()
            assert [line.split()[:4] for line in lines[2:4]] == [
                ["at-work", "toy", "running", "0/40"],
                ["resting", "toy", "interrupted", "0"],
            ]
            assert watcher.look() == []
        finally:
            with_lock.close("interrupted")
        (changed,) = watcher.look()
        assert (changed.seen.name, changed.seen.state) == ("at-work", "interrupted")


def test_the_pace_is_that_of_the_last_minute():
    run = Watched(SEEN, 0.0)
    assert (run.pace, run.moved) == (None, None)
    for second in range(1, 300):
        run.see(replace(SEEN, told=10 + min(second, 200) * 2), float(second))
    assert run.moved == 200.0
    assert run.pace == 0.0  # it has stood still for longer
    run.see(replace(SEEN, told=440), 300.0)
    assert 25 <= run.pace <= 35
    run.see(replace(SEEN, told=440, state="finished"), 301.0)
    assert run.pace is None


def test_only_what_fits_is_drawn_and_running_ones_come_first(archive_url):
    with Archive.open(archive_url) as archive:
        for number in range(9):
            begun(archive, f"old-{number}").close("interrupted")
        watcher = Watcher(archive)
        watcher.look()
        lines = drawn(watcher, height=9).splitlines()
        assert lines[2].startswith("old-8")
        assert lines[-1] == "5 more"
        assert len(lines) <= 9


def test_an_archive_that_is_away_is_said_once_and_waited_for(monkeypatch):
    answers = iter([ArchiveError("no connection"), ArchiveError("no connection"), [], []])

    class Away:
        def look(self):
            answer = next(answers)
            if isinstance(answer, Exception):
                raise answer
            return answer

    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    looks = _looks(Away(), 1.0)
    assert [next(looks)[1] for _ in range(3)] == ["no connection", "", ""]


def test_a_line_for_every_change_while_another_process_writes(evolve, archive_url):
    Archive.open(archive_url).close()
    watching = subprocess.Popen(
        evolve.command("runs", "--watch", "--every", "0.1", "--archive", archive_url),
        cwd=evolve.folder,
        env=evolve.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    lines = []
    reader = threading.Thread(target=lambda: lines.extend(watching.stdout), daemon=True)
    reader.start()
    try:
        evolve(
            "run", TOY, "--archive", archive_url, "--steps", 40, "--name", "far", "--set", "grade_ms=20"
        )  # fmt: skip
        deadline = time.monotonic() + PATIENCE_S
        while not any("far: finished, 40/40 steps" in line for line in lines):
            assert time.monotonic() < deadline, lines
            time.sleep(0.05)
    finally:
        watching.send_signal(signal.SIGINT)
        assert watching.wait(PATIENCE_S) == 0
        reader.join(PATIENCE_S)
    assert watching.stderr.read() == ""
    assert any("far: running" in line for line in lines)
    assert len(lines) == len(set(lines))


def test_in_a_terminal_a_table_is_drawn_again_until_ctrl_c(evolve, archive_folder):
    leader, follower = pty.openpty()
    watching = subprocess.Popen(
        evolve.command("runs", "--watch", "--every", "0.1"),
        cwd=archive_folder,
        env=evolve.environment() | {"TERM": "xterm"},
        stdin=subprocess.DEVNULL,
        stdout=follower,
        stderr=follower,
    )
    os.close(follower)
    told = b""
    try:
        while told.count(b"steps/min") < 3:
            told += os.read(leader, 4096)
    finally:
        watching.send_signal(signal.SIGINT)
        with suppress(OSError):  # how the end of a terminal is told
            while os.read(leader, 4096):
                pass
        assert watching.wait(PATIENCE_S) == 0
        os.close(leader)
    assert b"toy-1" in told
    assert b"finished" in told


@pytest.mark.parametrize(
    ("arguments", "says"),
    [(["--watch", "--json"], "one document"), (["--every", "3"], "without --watch")],
)
def test_what_makes_no_sense_together_is_refused(looking, arguments, says):
    assert says in looking("runs", *arguments, expect=2).stderr
