"""Stories of `evolve doctor`: what this machine can enforce, shown and proved."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from evolve import doctor, gpus
from evolve.cli.machine import complete_level
from sandbox import LEVELS, SandboxError, levels, proof
from sandbox.attack import attacks
from sandbox.levels import Availability
from sandbox.linux import cgroups
from sandbox.proof import Finding

KEY = "sk-never-shown-4f1c"
KEYS = {
    "level", "why", "min_level", "levels", "kernel", "control_group", "python", "packages", "gpu", "gpus",
    "gpu_worker", "keys", "archive", "proof", "held",
}  # fmt: skip
LINE_KEYS = {"attack", "family", "title", "held", "said"}


@pytest.fixture
def all_hold(monkeypatch):
    """Let every attack be held, without making any."""
    answer(monkeypatch, lambda attack: Finding(attack, True, "timeout: cpu_s"))


def answer(monkeypatch, find):
    monkeypatch.setattr(proof, "prove", lambda level, chosen: (find(each) for each in chosen))


def machine_with(monkeypatch, *names):
    """Let this machine have some levels only."""
    has = {name: Availability(name in names, "" if name in names else "no") for name in LEVELS}
    monkeypatch.setattr(levels, "available", has.__getitem__)


def test_this_machine_proves_its_level(evolve):
    found = evolve.json("doctor")
    assert found.keys() == KEYS
    assert list(found["levels"]) == list(LEVELS)
    assert all(level.keys() == {"available", "reason"} for level in found["levels"].values())
    assert found["levels"][found["level"]]["available"]
    assert found["held"]
    assert found["proof"][0]["attack"] == "control"
    assert len(found["proof"]) > 10
    assert all(line.keys() == LINE_KEYS and line["held"] for line in found["proof"])


def test_an_end_by_sigterm_takes_the_canaries_away(tmp_path):
    command = [sys.executable, "-m", "evolve", "doctor", "--attack"]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment) as doctor:
        while not {"canaries", "sandbox"} <= {
            each.name.partition("-")[0] for each in tmp_path.iterdir()
        }:
            assert doctor.poll() is None
            time.sleep(0.01)
        doctor.terminate()
    assert doctor.returncode == 130
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("all_hold")
def test_keys_are_named_and_never_shown(looking, monkeypatch):
    for name in doctor.read_keys(Path.cwd()).names:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("GEMINI_API_KEY", "")
    monkeypatch.setenv("EVOLVE_ARCHIVE", f"postgresql://me:{KEY}@host:5432/evolve?password={KEY}")
    assert looking.json("doctor")["keys"] == ["OPENAI_API_KEY"]
    for shown in (looking("doctor"), looking("doctor", "--json")):
        assert "OPENAI_API_KEY" in shown.stdout
        assert "postgresql://me:***@host:5432/evolve" in shown.stdout
        assert KEY not in shown.stdout + shown.stderr


@pytest.mark.usefixtures("all_hold")
def test_a_better_level_that_is_missing_is_told_with_its_reason(looking, monkeypatch):
    machine_with(monkeypatch, "weak", "landlock")
    found = looking.json("doctor")
    assert (found["level"], found["why"]) == ("landlock", "strict: no")
    assert "landlock (strict: no)" in looking("doctor").stdout


def test_without_a_level_nothing_is_proved_and_the_exit_code_is_1(looking, monkeypatch):
    machine_with(monkeypatch, "weak")
    told = " ".join(looking("doctor", expect=1).stdout.split())  # however it is folded
    assert "none: no level of at least landlock is available on this machine" in told
    assert "--min-level weak" in told


def test_what_does_not_hold_is_said_and_the_exit_code_is_1(looking, monkeypatch):
    bites = next(attack for attack in attacks(quick=True))
    answer(
        monkeypatch, lambda attack: Finding(attack, attack.name != bites.name, "bitten: got out")
    )
    told = looking("doctor", expect=1).stdout
    assert f"✗   {bites.name}" in told
    assert "bitten: got out" in told
    assert "1 of " in told
    assert "did not hold at level" in told


def test_a_wall_that_holds_honest_programs_too_proves_nothing(looking, monkeypatch):
    def broken(level, chosen):
        raise SandboxError("an honest program ends as crashed: no numpy")
        yield

    monkeypatch.setattr(proof, "prove", broken)
    told = looking("doctor", expect=1).stdout
    assert "✗   control" in told
    assert "an honest program ends as crashed: no numpy" in told


@pytest.mark.usefixtures("all_hold")
def test_the_whole_suite_is_summed_up_by_family(looking):
    told = looking("doctor", "--attack", "--level", "weak")
    promised = [attack for attack in attacks() if attack.promised_at("weak")]
    assert f"all {1 + len(promised)} held; others are not promised at level weak" in told.stdout
    assert f"{len(promised)}/{len(promised)} {promised[-1].name}" in told.stderr
    assert {attack.family for attack in promised} <= set(told.stdout.split())
    assert "weak is no wall" in told.stdout


@pytest.mark.usefixtures("all_hold")
@pytest.mark.parametrize(
    ("found", "told"),
    [
        ((None, "no folder"), "no: no folder"),
        ((cgroups.Place(Path("/x"), ("memory", "pids")), ""), "yes: bounds memory and pids"),
        ((cgroups.Place(Path("/x"), ()), ""), "yes: bounds nothing"),
    ],
)
def test_what_control_groups_add_is_told(looking, monkeypatch, found, told):
    monkeypatch.setattr(cgroups, "find", lambda: found)
    lines = looking("doctor", "--level", "weak").stdout.splitlines()
    assert told in next(line for line in lines if line.startswith("control group"))


def test_a_level_that_does_not_exist_is_wrong_usage(looking):
    assert "auto, weak, container" in looking("doctor", "--level", "stone", expect=2).stderr


def test_a_level_is_completed():
    assert complete_level("l") == ["landlock"]
    assert complete_level("") == ["auto", *LEVELS]


def test_without_a_gpus_driver_torch_is_not_asked(monkeypatch):
    monkeypatch.setattr(gpus, "DRIVERS", ("/dev/no_such_gpu",))
    monkeypatch.setattr(doctor.subprocess, "Popen", None)
    with doctor._gpu_question() as gpu:
        assert gpu() is None


def test_the_gpu_is_named_by_a_process_of_its_own(monkeypatch):
    monkeypatch.setattr(gpus, "DRIVERS", ("/dev/null",))
    monkeypatch.setattr(doctor, "_GPU_QUESTION", "print('Accelerator 9')")
    with doctor._gpu_question() as gpu:
        assert gpu() == "Accelerator 9"


@pytest.mark.slow
def test_the_gpu_worker_is_named_as_weaker_and_tried_out():
    found = doctor._gpu_worker(None)
    assert (found["available"], found["reason"]) == (False, "no GPU that torch can use")
    assert found["promise"].startswith("weaker than landlock")
    assert doctor._gpu_worker("a stand-in", device="cpu")["available"]
    assert doctor._gpu_worker("none such", device="cuda:99")["reason"]


def test_a_broken_driver_is_no_gpu(monkeypatch):
    monkeypatch.setattr(gpus, "DRIVERS", ("/dev/null",))
    monkeypatch.setattr(doctor, "_GPU_QUESTION", "raise RuntimeError('no driver')")
    with doctor._gpu_question() as gpu:
        assert gpu() is None
