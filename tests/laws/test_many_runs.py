"""Many runs at once on one archive: each is the run it is alone, and nothing is graded twice."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import func, select

from archive.schema import evaluations
from archive.store import Archive

pytestmark = pytest.mark.slow

STEPS = 20
RNG_SEEDS = range(4)
# Every rng_seed twice: runs that want the very same gradings at the very same time.
RUNS = {f"run-{number}": number % len(RNG_SEEDS) for number in range(2 * len(RNG_SEEDS))}
KILLED = "run-0"
# It dies holding its second lease, or at this boundary in its middle if others had all the leases.
KILLED_HOLDING, KILLED_AT = 2, 130
# Grading takes longer than the rest of a step, so that many runs want the same grade at once.
OPTIONS = ("--steps", STEPS, "--workers", 1, "--set", "grade_ms=30")
TIMEOUT_S = 600


@pytest.fixture(scope="module")
def alone(tmp_path_factory, outcome):
    """The steps and elites of each rng_seed on an archive of its own."""
    folder = tmp_path_factory.mktemp("alone")
    script = Path(__file__).parent / "toy_run.py"
    started = []
    for rng_seed in RNG_SEEDS:
        command = [sys.executable, script, folder / f"{rng_seed}.db", "--rng-seed", rng_seed]
        started.append(subprocess.Popen([str(word) for word in (*command, *OPTIONS)]))
    assert [run.wait(TIMEOUT_S) for run in started] == [0] * len(started)
    return {rng_seed: outcome(folder / f"{rng_seed}.db") for rng_seed in RNG_SEEDS}


def test_runs_at_once_are_as_alone_and_grade_no_outputs_twice(
    alone, forked_toy_runs, outcome, archive_url
):
    for run in forked_toy_runs(archive_url, [options(name) for name in RUNS]):
        assert run.returncode == 0, run.stderr
    for name, rng_seed in RUNS.items():
        assert outcome(archive_url, name) == alone[rng_seed], name
    gradings, digests = count_gradings(archive_url)
    assert gradings == digests


def test_what_a_killed_run_was_grading_is_graded_by_another_and_all_else_once(
    alone, forked_toy_runs, outcome, archive_url
):
    dying = ("--die-holding", KILLED_HOLDING, "--die-at", KILLED_AT)
    others = [options(name) for name in RUNS if name != KILLED]
    killed, *ended = forked_toy_runs(archive_url, [(*options(KILLED), *dying), *others])
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    ended += forked_toy_runs(archive_url, [(*options(KILLED), "--resume")])
    for run in ended:
        assert run.returncode == 0, run.stderr
    for name, rng_seed in RUNS.items():
        assert outcome(archive_url, name) == alone[rng_seed], name
    gradings, digests = count_gradings(archive_url)
    # One worker has one grading under way when it is killed.
    assert digests <= gradings <= digests + 1


def options(name):
    return (*OPTIONS, "--rng-seed", RUNS[name], "--name", name)


def count_gradings(place):
    """Count the calls of a grader in all runs, and the different outputs that there were."""
    key = [evaluations.c[name] for name in ("task", "world", "stage", "block", "outputs_digest")]
    graded = select(*key).where(evaluations.c.outputs_digest.is_not(None)).distinct()
    with Archive.open(place, create=False) as archive:
        with archive.database.reading() as connection:
            digests = connection.scalar(select(func.count()).select_from(graded.subquery()))
        return sum(run.gradings for run in archive.runs()), digests
