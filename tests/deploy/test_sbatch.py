"""Stories of evolve.sbatch on a Slurm of stand-ins: the script is the real one, and really runs."""

import shutil
import signal
import stat
import subprocess
import time
from pathlib import Path

import pytest

CLUSTERS = Path(__file__).resolve().parents[2] / "docs/clusters"
SCRIPTS = ("evolve.sbatch", "run-or-resume.sh")
PATIENCE_S = 600


@pytest.mark.parametrize("script", SCRIPTS)
def test_bash_and_shellcheck_find_nothing(script):
    subprocess.run(["bash", "-n", CLUSTERS / script], check=True)
    assert (CLUSTERS / script).stat().st_mode & stat.S_IXUSR
    if shutil.which("shellcheck"):
        subprocess.run(["shellcheck", CLUSTERS / script], check=True)


def test_no_node_learns_of_the_archive_or_a_key(slurm):
    code, said = slurm.do(SOME_API_KEY="hush", PGPASSWORD="hush")
    assert code == 0, said
    known = slurm.known_to_ray()
    assert {"PATH", "HOME", "RAY_AUTH_TOKEN_PATH"} <= known
    assert not known & {"EVOLVE_ARCHIVE", "SOME_API_KEY", "PGPASSWORD"}


def test_a_head_and_workers_are_started_and_the_run_begins_on_them(slurm):
    code, said = slurm.do("--steps", "50", "--rng-seed", "1")
    assert (code, "evolve ended with 0" in said) == (0, True), said
    head, workers, *_ = [line for line in slurm.told("srun") if "ray start" in line]
    if "--head" not in head:  # both begin at once
        head, workers = workers, head
    assert "--nodes=1 --ntasks=1 --nodelist=n1" in head
    assert "--num-cpus=14" in head  # two cores are evolve's own
    assert "--include-dashboard=false" in head
    assert "--nodes=2 --ntasks=2 --exclude=n1" in workers
    assert "--num-cpus=16" in workers
    address = next(word for word in workers.split() if word.startswith("--address="))
    address = address.removeprefix("--address=")
    assert slurm.told("evolve")[-1] == (
        f"run toy --name first --executor ray --set ray.address={address} --steps 50 --rng-seed 1"
    )
    (waited,) = slurm.told("python")
    assert waited == f"- {address} 3"
    assert slurm.told("scontrol") == ["show hostnames n[1-3]"]
    assert slurm.left_over() == []


def test_the_cluster_has_a_token_that_no_command_line_shows(slurm):
    code, said = slurm.do(SEARCHES="", ENDS="0")
    assert code == 0, said
    assert set((slurm.folder / "notes.env").read_text().splitlines()) == {
        "password none, auth token"
    }
    assert list(slurm.folder.glob(".evolve-ray-*")) == []  # it ended with the cluster


def test_one_node_has_no_workers(slurm):
    code, said = slurm.do(nodes=1)
    assert code == 0, said
    assert len([line for line in slurm.told("srun") if "ray start" in line]) == 1


def test_before_the_time_limit_the_run_ends_and_the_job_goes_back_to_the_queue(slurm):
    script = slurm.start("--steps", "50", SEARCHES="yes")
    slurm.wait_for("evolve", "run toy")
    (token,) = slurm.folder.glob(".evolve-ray-*.token")
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    assert len(token.read_text()) == 64
    script.send_signal(signal.SIGUSR1)
    said, _ = script.communicate(timeout=PATIENCE_S)
    assert script.returncode in (130, 143), said  # 143: it had not set its trap yet
    assert slurm.told("scontrol")[-1].startswith("requeue ")
    assert slurm.left_over() == []
    # What Slurm starts again goes on with the same run, without the options of its beginning.
    code, said = slurm.do("--steps", "50", ENDS="0", SLURM_RESTART_COUNT="1")
    assert code == 0, said
    assert slurm.told("evolve")[-1].startswith("resume first --executor ray --set ray.address=")
    assert "--steps" not in slurm.told("evolve")[-1]


def test_who_cancels_a_job_ends_it_cleanly_and_for_good(slurm):
    script = slurm.start(SEARCHES="yes")
    slurm.wait_for("evolve", "run toy")
    script.send_signal(signal.SIGTERM)
    said, _ = script.communicate(timeout=PATIENCE_S)
    assert script.returncode in (130, 143), said  # 143: it had not set its trap yet
    assert not any("requeue" in line for line in slurm.told("scontrol"))
    assert slurm.left_over() == []


def test_a_broken_world_is_left_to_a_person(slurm):
    code, said = slurm.do(ENDS="1")
    assert code == 1, said
    assert not any("requeue" in line for line in slurm.told("scontrol"))


def test_an_archive_out_of_reach_begins_no_second_run(slurm):
    code, said = slurm.do(STATUS="1")
    assert code == 1, said
    assert [line.split()[0] for line in slurm.told("evolve")] == ["status"]


def test_a_head_that_does_not_begin_is_said_and_nothing_stays(slurm):
    began = time.monotonic()
    code, said = slurm.do(RAY_FAILS="yes")
    assert code == 1
    assert "the head of Ray did not begin" in said
    assert time.monotonic() - began < PATIENCE_S
    assert slurm.told("evolve") == []
    assert slurm.left_over() == []


def test_without_an_archive_or_its_other_half_nothing_begins(slurm, tmp_path):
    code, said = slurm.do(EVOLVE_ARCHIVE="")
    assert code != 0
    assert "name the archive" in said
    code, said = slurm.do(SLURM_SUBMIT_DIR=str(tmp_path))
    assert (code, "submit from the folder" in said) == (2, True)
    assert slurm.told("srun") == []


def test_a_password_from_a_file_is_known_to_evolve_alone(slurm):
    secret = slurm.folder / "password"
    secret.write_text("hunter-2f\n")
    code, said = slurm.do(EVOLVE_PASSWORD_FILE=str(secret), EVOLVE_OPTIONS="--workers 8")
    assert code == 0, said
    assert "password hunter-2f, auth token" in (slurm.folder / "notes.env").read_text()
    assert "hunter-2f" not in slurm.notes.read_text() + said
    assert "--workers 8" in slurm.told("evolve")[-1]
