"""The laws of the toy task, once on a real one: minutes, so only `make soak` runs it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from archive import queries
from archive.store import Archive

pytestmark = pytest.mark.soak

ROOT = Path(__file__).resolve().parent.parent.parent
STEPS = 60
KILLS = 3
TIMEOUT_S = 1800


def evolve(folder, *options):
    return subprocess.Popen(
        [sys.executable, "-m", "evolve", *map(str, options)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finished(process):
    output, _ = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 0, output


def outcome(folder):
    with Archive.open(folder / "evolve.db", create=False) as archive:
        run = archive.run()
        steps = [
            (s.n, s.operator, s.parents, s.program, s.outputs_digest, s.status, s.cell, s.placement)
            for s in queries.told_steps(archive, run.id)
        ]
        return steps, queries.elites(archive, run.id)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("soak")
    finished(evolve(folder, "run", "data_selection", "--steps", STEPS, "--workers", 2))
    return outcome(folder)


def test_one_worker_finds_what_two_find(undisturbed, tmp_path):
    finished(evolve(tmp_path, "run", "data_selection", "--steps", STEPS, "--workers", 1))
    assert outcome(tmp_path) == undisturbed


def test_half_and_half_is_the_whole(undisturbed, tmp_path):
    finished(evolve(tmp_path, "run", "data_selection", "--steps", STEPS // 2))
    finished(evolve(tmp_path, "resume", "--steps", STEPS))
    assert outcome(tmp_path) == undisturbed


def test_killed_and_resumed_is_undisturbed(undisturbed, tmp_path):
    process = evolve(tmp_path, "run", "data_selection", "--steps", STEPS)
    for kill in range(KILLS):
        time.sleep(15 + 5 * kill)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=600)
        process = evolve(tmp_path, "resume", "--steps", STEPS)
    finished(process)
    assert outcome(tmp_path) == undisturbed
