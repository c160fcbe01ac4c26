"""A search on a Ray cluster of two nodes and PostgreSQL ends as one on this machine and SQLite.

Whatever is killed meanwhile: a place, its grader, its warm process, a node, the driver, the server.
"""

import collections
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from processes import command

pytestmark = [pytest.mark.slow, pytest.mark.postgres]

STEPS = 40
# The places ask for little, so that one node can hold both when the other is lost.
ON_CLUSTER = ("--executor", "ray", "--ray", "ray.address=auto", "--ray", "ray.cpus=0.4")
TOY = Path(__file__).resolve().parent.parent / "tasks" / "toy"
SHIPPED = Path(__file__).resolve().parent.parent.parent / "tasks" / "data_selection"
PATIENCE_S = 600
SOAK_S = 3600
# The toy task writes down each call of its grader. The path is part of its code, so of its digest too.
COUNTED = """

_uncounted = grade


def grade(instance, output):
    digest = hashlib.blake2b(np.asarray(output, dtype=np.float64).tobytes()).hexdigest()
    with open({path!r}, "a") as graded:
        graded.write(f"{{instance.name}} {{digest}}\\n")
    return _uncounted(instance, output)
"""
# What was being graded in either slot when something was killed is graded again.
IN_FLIGHT = 2


@pytest.fixture(scope="module")
def counted(tmp_path_factory):
    """The toy task, in a folder that also holds what it graded."""
    folder = tmp_path_factory.mktemp("counted") / "toy"
    shutil.copytree(TOY, folder)
    with (folder / "task.py").open("a") as code:
        code.write(COUNTED.format(path=str(folder.with_name("graded"))))
    return folder


@pytest.fixture(scope="module")
def options(counted):
    settings = ("grade_ms=30", "pools=1", "probes=1")
    return ("--task", counted, *(word for each in settings for word in ("--set", each)))


@pytest.fixture(scope="module")
def expected(tmp_path_factory, outcome, options):
    """The told steps and elites of a run on this machine that nobody touched."""
    place = tmp_path_factory.mktemp("cluster") / "local.db"
    script = Path(__file__).parent / "toy_run.py"
    command = [sys.executable, script, place, *options, "--steps", STEPS]
    subprocess.run([str(word) for word in command], check=True, timeout=600, capture_output=True)
    return outcome(place)


@pytest.fixture
def graded_twice(expected, counted):
    """Tell which outputs are graded more than once in this test, and so often."""
    graded = counted.with_name("graded")
    graded.write_text("")

    def look():
        calls = collections.Counter(graded.read_text().splitlines())
        assert calls  # else nothing is counted
        return [call for call, number in calls.items() for _ in range(number - 1)]

    return look


def test_undisturbed_and_resumed_elsewhere_it_is_the_same_run(
    expected, options, graded_twice, ray_cluster, postgres_archive, toy_run, outcome
):
    half = toy_run(postgres_archive, *options, *ON_CLUSTER, "--steps", STEPS // 2)
    assert half.returncode == 0, half.stderr
    rest = toy_run(
        postgres_archive, *options, "--steps", STEPS, "--resume"
    )  # on this machine, without Ray
    assert rest.returncode == 0, rest.stderr
    assert outcome(postgres_archive) == expected
    assert graded_twice() == []


@pytest.mark.parametrize("kind", ["place", "grader", "warm", "node"])
def test_it_survives_the_loss_of(
    kind,
    expected,
    options,
    graded_twice,
    ray_cluster,
    postgres_archive,
    start_toy_run,
    outcome,
    descendants,
):
    run = start_toy_run(postgres_archive, *options, *ON_CLUSTER, "--steps", STEPS)
    wait_for_told(run, 6)
    if kind == "node":
        node = next(iter(ray_cluster.worker_nodes))
        ray_cluster.remove_node(node, allow_graceful=False)
    else:
        kill(kind, descendants(os.getpid()))  # the cluster's processes come from this one
    try:
        _, errors = run.communicate(timeout=PATIENCE_S)
    finally:
        if kind == "node":
            ray_cluster.add_node(node_ip_address="127.0.0.1", num_cpus=1)
    assert run.returncode == 0, errors
    assert outcome(postgres_archive) == expected
    assert len(graded_twice()) <= IN_FLIGHT


def test_it_survives_the_loss_of_the_driver_and_nobody_is_left_over(
    expected,
    options,
    graded_twice,
    ray_cluster,
    postgres_archive,
    start_toy_run,
    toy_run,
    outcome,
    descendants,
    all_gone,
):
    before = set(graders(descendants(os.getpid())))
    run = start_toy_run(postgres_archive, *options, *ON_CLUSTER, "--steps", STEPS)
    wait_for_told(run, 6)
    served = set(graders(descendants(os.getpid()))) - before
    assert served
    run.kill()
    run.wait(timeout=600)
    assert all_gone(served) == []
    resumed = toy_run(postgres_archive, *options, *ON_CLUSTER, "--steps", STEPS, "--resume")
    assert resumed.returncode == 0, resumed.stderr
    assert outcome(postgres_archive) == expected
    assert len(graded_twice()) <= IN_FLIGHT


def test_it_survives_a_restart_of_the_server(
    expected, options, graded_twice, ray_cluster, postgres_server, start_toy_run, outcome
):
    run = start_toy_run(postgres_server.url, *options, *ON_CLUSTER, "--steps", STEPS)
    wait_for_told(run, 6)
    postgres_server.stop()
    time.sleep(1.0)
    postgres_server.start()
    _, errors = run.communicate(timeout=PATIENCE_S)
    assert run.returncode == 0, errors
    assert outcome(postgres_server.url) == expected
    assert len(graded_twice()) <= IN_FLIGHT


def test_who_waits_for_a_place_is_told_why_and_ends_with_one_ctrl_c(ray_cluster, tmp_path):
    command = [sys.executable, "-m", "evolve", "run", str(TOY), "--archive", tmp_path / "a.db"]
    command += ["--executor", "ray", "--set", "ray.address=auto", "--set", "ray.gpus=1"]
    with subprocess.Popen(
        [str(word) for word in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONPATH": str(TOY.parent.parent.parent), "NO_COLOR": "1"},
    ) as run:
        try:
            line = next(line for line in run.stdout if "places on the cluster" in line)
            assert "no node has 1 CPU, 1 GPU" in line
            assert "places on the cluster at 127.0.0.1:" in line
            run.send_signal(signal.SIGINT)
            assert run.wait(timeout=PATIENCE_S) == 130
        finally:
            run.kill()


@pytest.mark.soak
def test_a_shipped_task_survives_one_loss_after_another(
    ray_cluster, postgres_archive, start_toy_run, toy_run, outcome, descendants, tmp_path
):
    options = ("--task", SHIPPED, "--steps", 120)
    local = toy_run(tmp_path / "local.db", *options, timeout=SOAK_S)
    assert local.returncode == 0, local.stderr
    for kind in ("place", "grader", "driver", "warm", "node", "driver"):
        run = start_toy_run(postgres_archive, *options, *ON_CLUSTER, "--resume")
        wait_for_told(run, 10)
        if kind == "driver":
            run.kill()
        elif kind == "node":
            ray_cluster.remove_node(next(iter(ray_cluster.worker_nodes)), allow_graceful=False)
        else:
            kill(kind, descendants(os.getpid()))
        if kind != "driver":
            wait_for_told(run, 5)
            run.send_signal(signal.SIGKILL)
        run.communicate(timeout=PATIENCE_S)
        if kind == "node":
            ray_cluster.add_node(node_ip_address="127.0.0.1", num_cpus=1)
    last = toy_run(postgres_archive, *options, *ON_CLUSTER, "--resume", timeout=SOAK_S)
    assert last.returncode == 0, last.stderr
    assert outcome(postgres_archive) == outcome(tmp_path / "local.db")


def wait_for_told(run, number):
    """Wait until a run has told so many steps."""
    seen = 0
    for line in run.stdout:
        seen += line.startswith("told ")
        if seen >= number:
            return
    pytest.fail(f"the run ended with {run.wait()}: {run.stderr.read()}")


def kill(kind, pids):
    """Kill one process of the cluster that serves a run."""
    words = {"place": b"ray::RayPlace", "grader": b"evolve.grader", "warm": b"sandbox.warm"}[kind]
    for pid in pids:
        if words in command(pid):
            os.kill(pid, signal.SIGKILL)
            return
    pytest.fail(f"no {kind} among {[command(pid)[:60] for pid in pids]}")


def graders(pids):
    return [pid for pid in pids if b"evolve.grader" in command(pid)]
