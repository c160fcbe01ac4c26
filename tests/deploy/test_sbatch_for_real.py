"""The batch script with Ray, evolve and PostgreSQL as they are: only Slurm is a stand-in."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from archive import queries
from archive.store import Archive

pytest.importorskip("ray")

ROOT = Path(__file__).resolve().parents[2]
TOY = ROOT / "tests/tasks/toy"
# Ray and its nodes begin within seconds; a machine that does much else takes longer.
PATIENCE_S = 300
STEPS = 40
BEGINS_AGAIN_AFTER = 8
FINISHED, INTERRUPTED = 0, 130

REAL = {
    "ray": 'exec "$SLURM_VENV/ray" "$@"\n',
    "python": 'exec "$SLURM_VENV/python" "$@"\n',
    "evolve": 'exec "$SLURM_VENV/python" -m evolve "$@"\n',
}


@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.parametrize("slurm", [REAL], indirect=True)
def test_a_job_that_comes_to_its_time_limit_goes_on_and_ends_as_a_local_run(
    slurm, postgres_archive, tmp_path
):
    variables = {
        "SLURM_VENV": str(Path(sys.executable).parent),
        "PYTHONPATH": str(ROOT),
        "EVOLVE_ARCHIVE": postgres_archive,
        "EVOLVE_OPTIONS": "--workers 2",
        "SLURM_CPUS_PER_TASK": "4",
        "TASK": str(TOY),
        # Ray on loopback, where it has one node alone.
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    }
    options = ("--steps", str(STEPS), "--set", "grade_ms=100")
    script = slurm.start(*options, nodes=1, **variables)
    with Archive.open(postgres_archive) as archive:
        wait_for_steps(archive, script)
        script.send_signal(signal.SIGUSR1)
        said, _ = script.communicate(timeout=PATIENCE_S)
        assert script.returncode == INTERRUPTED, said
        assert "1 of 1 nodes of Ray are here" in said
        assert slurm.told("scontrol")[-1].startswith("requeue ")
        assert slurm.left_over() == []
        assert BEGINS_AGAIN_AFTER <= archive.run("first").told < STEPS

        code, said = slurm.do(*options, nodes=1, SLURM_RESTART_COUNT="1", **variables)
        assert code == FINISHED, said
        assert slurm.left_over() == []
        on_cluster = outcome(archive)

    local = f"sqlite:///{tmp_path}/local.db"
    subprocess.run(
        [sys.executable, "-m", "evolve", "run", str(TOY), *options, "--name", "first"],
        env=os.environ | {"PYTHONPATH": str(ROOT), "EVOLVE_ARCHIVE": local},
        capture_output=True,
        check=True,
        timeout=PATIENCE_S,
    )
    with Archive.open(local) as archive:
        assert outcome(archive) == on_cluster


def wait_for_steps(archive, script):
    deadline = time.monotonic() + PATIENCE_S
    while True:
        runs = archive.runs()
        if runs and runs[0].told >= BEGINS_AGAIN_AFTER:
            return
        assert script.poll() is None, script.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.05)


def outcome(archive):
    """Read what the law speaks of, times aside."""
    run = archive.run("first")
    told = [
        (step.n, step.operator, step.source, step.outputs_digest, step.status, step.cell)
        for step in queries.told_steps(archive, run.id)
    ]
    return told, queries.elites(archive, run.id)
