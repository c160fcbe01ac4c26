"""Killed at any commit, or anywhere else, and resumed: the same archive, and nobody left over."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from archive.store import Archive

pytestmark = pytest.mark.slow

STEPS = 24
# Every seventeenth boundary here, odd so that both sides of a commit are met; `make soak` takes all.
EVERY = 1 if os.environ.get("EVOLVE_SOAK") else 17
GROUPS = 8
KILLS = 5
LOSSES = 3
# With one worker, a job that was killed has been told so many steps later: one that is killed again
# in its second chance is judged, as the wall's page says.
APART = 3
PATIENCE_S = 600
# A candidate of the toy task lives for milliseconds: so long one is waited for.
SEEN_WITHIN_S = 120


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, outcome):
    """The told steps and elites of a run that nobody touched, and how many boundaries it has."""
    place = tmp_path_factory.mktemp("laws") / "undisturbed.db"
    script = Path(__file__).parent / "toy_run.py"
    # One worker, as in the runs that are killed: with more, writes fall together otherwise.
    command = [sys.executable, str(script), str(place), "--steps", str(STEPS), "--workers", "1"]
    done = subprocess.run(
        [*command, "--count"], check=True, timeout=600, capture_output=True, text=True
    )
    return outcome(place), int(done.stdout.split()[-1])


@pytest.mark.parametrize("group", range(GROUPS))
def test_killed_at_a_commit_and_resumed_ends_as_if_undisturbed(
    group, undisturbed, forked_toy_run, outcome, tmp_path
):
    expected, boundaries = undisturbed
    assert boundaries > 4 * STEPS
    for boundary in range(group * EVERY, boundaries, GROUPS * EVERY):
        place = tmp_path / f"{boundary}.db"
        killed = forked_toy_run(place, "--steps", STEPS, "--workers", 1, "--die-at", boundary)
        assert killed.returncode == -signal.SIGKILL, f"boundary {boundary}: {killed.stderr}"
        resumed = forked_toy_run(place, "--steps", STEPS, "--resume")
        assert resumed.returncode == 0, resumed.stderr
        assert outcome(place) == expected, f"boundary {boundary}"


def test_killed_at_random_moments_and_resumed_ends_as_if_undisturbed(
    undisturbed, start_toy_run, toy_run, outcome, descendants, all_gone, tmp_path
):
    place, moments, seen = tmp_path / "a.db", random.Random("main"), set()
    for _ in range(KILLS):
        run = start_toy_run(place, "--steps", STEPS, "--resume")
        wait_for_told(run, moments.randrange(1, 5))
        seen.update(descendants(run.pid))
        kill_one(run.pid)
        if run.wait(timeout=600) == 0:  # it ended before
            break
        assert run.returncode == -signal.SIGKILL
    assert all_gone(seen) == []
    resumed = toy_run(place, "--steps", STEPS, "--resume")
    assert resumed.returncode == 0, resumed.stderr
    assert outcome(place) == undisturbed[0]


@pytest.mark.parametrize("kind", ["grader", "warm", "candidate"])
def test_a_run_survives_the_loss_of_what_serves_it(
    kind, undisturbed, start_toy_run, outcome, descendants, all_gone, tmp_path
):
    place = tmp_path / "a.db"
    run = start_toy_run(place, "--steps", STEPS, "--workers", 1)
    killed, family = [], set()
    wait_for_told(run, STEPS // (LOSSES + 1))
    for _ in range(LOSSES):
        family.update(descendants(run.pid))
        killed.append(kill_a(kind, run.pid, descendants))
        wait_until_told(place, told(place) + APART, run)
    _, stderr = run.communicate(timeout=600)
    assert killed[0] is not None, f"no {kind} was seen: {run.returncode}, {stderr[-300:]}"
    assert run.returncode == 0, stderr
    assert outcome(place) == undisturbed[0]
    assert all_gone(family) == []


def test_two_writers_of_one_run_are_told_who_is_first(start_toy_run, toy_run, tmp_path):
    run = start_toy_run(tmp_path / "a.db", "--steps", 2000)
    wait_for_told(run, 2)
    second = toy_run(tmp_path / "a.db", "--steps", 2000, "--resume")
    assert second.returncode == 1
    assert str(run.pid) in second.stderr
    with Archive.open(tmp_path / "a.db") as archive:
        assert str(run.pid) in archive.writer(archive.run())


def wait_for_told(run, count):
    """Read what a run says until it has told so many steps (or ended)."""
    for line in run.stdout:
        count -= line.startswith("told")
        if count <= 0:
            return


def wait_until_told(place, count, run):
    """Wait until so many steps are in the archive, or the run has ended."""
    deadline = time.monotonic() + PATIENCE_S
    while told(place) < count and run.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)


def told(place):
    with Archive.open(place) as archive:
        return archive.run().told


def kill_a(kind, main, descendants):
    """Kill the first process of a kind that is seen; give its id, None if there was none."""
    if kind != "candidate":
        found = [pid for pid in descendants(main) if kind_of(pid) == kind]
    else:
        found = first_children([pid for pid in descendants(main) if kind_of(pid) == "warm"])
    for pid in found[:1]:
        kill_one(pid)
        return pid
    return None


def first_children(pids):
    """Wait until one of some processes has children; give them. All of /proc would be too slow."""
    deadline = time.monotonic() + SEEN_WITHIN_S
    while time.monotonic() < deadline:
        for pid in pids:
            with contextlib.suppress(OSError):
                if children := Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
                    return [int(child) for child in children]
    return []


def kind_of(pid):
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return "gone"
    if b"evolve.grader" in words:
        return "grader"
    if b"sandbox.warm" in words:
        # A candidate is a fork of the warm process, and looks like it.
        return "candidate" if kind_of(parent) == "warm" else "warm"
    return "other"


def kill_one(pid):
    """Kill one process that this test started."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
