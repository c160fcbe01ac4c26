"""Runs of the toy task in processes of their own, and what must be equal between two of them."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import processes
import pytest

from archive import queries
from archive.store import Archive
from evolve.recording import REPLAY_OF
from evolve.totals import counted_totals, run_totals

SCRIPT = Path(__file__).parent / "toy_run.py"
SERVER = SCRIPT.with_name("toy_server.py")
ROOT = SCRIPT.parent.parent.parent
TIMEOUT_S = 600
# How long a process of ours may take to notice that its parent is gone.
GONE_WITHIN_S = 120


@pytest.fixture
def toy_run():
    """Run the toy task to its end (or its death); give the finished process."""

    def run(archive, *options, timeout=TIMEOUT_S):
        return subprocess.run(
            _command(archive, *options),
            capture_output=True,
            text=True,
            timeout=timeout,
            env=_environment(),
        )

    return run


@pytest.fixture
def forked_toy_run(forked_toy_runs):
    """Do the same in a fork of a process that has imported everything: a third of the cost.

    All forks of a test process share one order of hashing; compare with a run that has its own.
    """

    def run(archive, *options):
        return forked_toy_runs(archive, [options])[0]

    return run


@pytest.fixture
def forked_toy_runs(toy_server, tmp_path):
    """Do it for a list of options, many at once on one archive; give the finished processes."""

    def run(archive, many):
        requests = [
            {
                "arguments": [str(archive), *map(str, options)],
                "stdout": str(tmp_path / f"stdout-{number}"),
                "stderr": str(tmp_path / f"stderr-{number}"),
            }
            for number, options in enumerate(many)
        ]
        print(json.dumps(requests), file=toy_server.stdin, flush=True)
        statuses = json.loads(toy_server.stdout.readline())
        return [
            subprocess.CompletedProcess(
                request["arguments"],
                status,
                Path(request["stdout"]).read_text(),
                Path(request["stderr"]).read_text(),
            )
            for request, status in zip(requests, statuses, strict=True)
        ]

    return run


@pytest.fixture(scope="session")
def toy_server():
    """Start the process that is forked, one for all tests of this process."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    # numpy's threads would not be in a fork.
    environment = {**_environment(), "OPENBLAS_NUM_THREADS": "1"}
    with subprocess.Popen([sys.executable, str(SERVER)], env=environment, **pipes) as server:
        yield server
        server.stdin.close()


@pytest.fixture
def start_toy_run():
    """Start a run and give its process; whatever is left of it is ended by its id."""
    started = []

    def start(archive, *options):
        process = subprocess.Popen(
            _command(archive, *options),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=_environment(),
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=600)


@pytest.fixture(scope="session")
def outcome():
    """Read what the law speaks of: told steps and elites, without times and row numbers."""
    return _outcome


@pytest.fixture(scope="session")
def descendants():
    """List the processes that come from one, by their parents' ids."""
    return processes.descendants


@pytest.fixture(scope="session")
def all_gone():
    """Wait until none of some processes is left; give those that stay."""

    def wait(pids):
        deadline = time.monotonic() + GONE_WITHIN_S
        while left := [pid for pid in pids if _is_alive(pid)]:
            if time.monotonic() > deadline:
                break
            time.sleep(0.05)
        return left

    return wait


def _command(archive, *options):
    return [sys.executable, str(SCRIPT), str(archive), *map(str, options)]


def _environment():
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def _outcome(place, name=None):
    with Archive.open(place, create=False) as archive:
        run = archive.run(name)
        # What a run keeps of its told steps in numbers is what their rows say, whatever killed it.
        # The rows of a replay are those of the run that was first; it grades anew, in other seconds.
        if REPLAY_OF not in run.settings:
            assert run_totals(archive, run) == counted_totals(archive, run)
        evaluations = queries.evaluations(archive, run.id)
        steps = [
            (
                *(step.n, step.asked_after, step.kind, step.operator, step.parents, step.source),
                *(step.program, step.outputs_digest, step.status, step.reason),
                *(step.duplicate_of, step.cell, step.placement, step.told_seq),
                evaluations[step.evaluation].fitness if step.evaluation else None,
            )
            for step in queries.told_steps(archive, run.id)
        ]
        return steps, queries.elites(archive, run.id)


def _is_alive(pid):
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return False
    return fields[0] != "Z"
