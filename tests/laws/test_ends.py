"""How a run ends when it is asked to, and when the world gives out under it."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from archive.store import Archive

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent.parent
EVOLVE = [sys.executable, "-m", "evolve"]
TOY = str(ROOT / "tests" / "tasks" / "toy")
QUICK = ["--set", "grade_ms=0", "--set", "pools=1", "--set", "probes=1"]


def environment(**more):
    return {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", **more}


def evolve(folder, *options, timeout=600):
    return subprocess.run(
        [*EVOLVE, *options],
        capture_output=True,
        text=True,
        cwd=folder,
        env=environment(),
        timeout=timeout,
    )


@pytest.fixture
def long_run(tmp_path):
    """A run of many steps that has told some; ended by its id if the test has not."""
    process = subprocess.Popen(
        [*EVOLVE, "run", TOY, "--steps", "5000", "--workers", "2", *QUICK],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=tmp_path,
        env=environment(),
    )
    wait_until_told(tmp_path / "evolve.db", 6, process)
    yield process
    if process.poll() is None:
        process.kill()
    process.communicate(timeout=600)


def wait_until_told(place, steps, process):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        if place.exists():
            with Archive.open(place) as archive:
                if archive.runs() and archive.run().told >= steps:
                    return
        time.sleep(0.1)
    raise AssertionError(f"not {steps} steps after a minute, or ended: {process.poll()}")


def test_ctrl_c_ends_with_130_and_says_how_to_resume(long_run, descendants, all_gone, tmp_path):
    family = descendants(long_run.pid)
    long_run.send_signal(signal.SIGINT)
    output, _ = long_run.communicate(timeout=600)
    assert long_run.returncode == 130
    # Two slots, though many more steps are under way.
    assert re.search(r"stopping: finishing [012] running", output)
    assert "evolve resume toy-1" in output
    assert all_gone(family) == []
    with Archive.open(tmp_path / "evolve.db") as archive:
        assert archive.run().stop_reason == "interrupted"
        told = archive.run().told
    done = evolve(tmp_path, "resume", "--steps", str(told + 5))
    assert done.returncode == 0, done.stderr
    with Archive.open(tmp_path / "evolve.db") as archive:
        assert archive.run().told == told + 5


def test_ctrl_c_twice_ends_at_once(long_run, descendants, all_gone):
    family = descendants(long_run.pid)
    long_run.send_signal(signal.SIGINT)
    long_run.send_signal(signal.SIGINT)
    output, _ = long_run.communicate(timeout=600)
    assert long_run.returncode == 130
    assert "evolve resume toy-1" in output
    assert all_gone(family) == []


def test_sigterm_is_a_ctrl_c(long_run):
    long_run.send_signal(signal.SIGTERM)
    output, _ = long_run.communicate(timeout=600)
    assert long_run.returncode == 130
    assert "evolve resume toy-1" in output


def test_a_full_disk_is_told_and_loses_nothing_that_was_told(tmp_path):
    """A limit on file size stands for the disk: the write fails in the same place."""
    script = (
        "import resource, runpy, signal, sys;"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "size = 2048 * 1024;"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY));"
        "sys.argv = ['evolve', *sys.argv[1:]];"
        "runpy.run_module('evolve', run_name='__main__')"
    )
    full = subprocess.run(
        [sys.executable, "-c", script, "run", TOY, "--steps", "400", *QUICK],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment(),
        timeout=600,
    )
    assert full.returncode == 1, full.stdout + full.stderr
    assert "disk" in full.stderr
    assert "`evolve resume toy-1` goes on" in full.stderr
    assert "Traceback" not in full.stderr
    with Archive.open(tmp_path / "evolve.db") as archive:
        told = archive.run().told
    assert told > 0
    more = evolve(tmp_path, "resume", "--steps", str(told + 10))
    assert more.returncode == 0, more.stderr


def test_a_read_only_folder_is_told_before_anything_is_begun(tmp_path):
    folder = tmp_path / "readonly"
    folder.mkdir(mode=0o555)
    # Root writes where it likes, unless it lets go of that one privilege.
    obey = ["setpriv", "--bounding-set=-dac_override"] if os.geteuid() == 0 else []
    done = subprocess.run(
        [*obey, *EVOLVE, "run", TOY, "--steps", "5", *QUICK],
        capture_output=True,
        text=True,
        cwd=folder,
        env=environment(),
        timeout=600,
    )
    assert done.returncode == 1, done.stderr
    assert "evolve.db" in done.stderr
    assert "may you read and write it" in done.stderr
    assert "Traceback" not in done.stderr
