"""Level container: what the engine is asked for, and what is said when it cannot be had."""

import os
import shutil
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from sandbox import Job, Limits, Sandbox, SandboxError, levels
from sandbox.walls import container
from sandbox.walls.container import Container, Engine

pytestmark = pytest.mark.slow

ROOT = Path(container.__file__).resolve().parents[2]
PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"
BARE = [sys.executable, "-P", "-s", "-m", "sandbox.warm", "7"]
INSIDE = [
    "--env=LANG=C.UTF-8",
    "--env=MKL_NUM_THREADS=1",
    "--env=OMP_NUM_THREADS=1",
    "--env=OPENBLAS_NUM_THREADS=1",
    "--env=PYTHONHASHSEED=0",
    "--env=HOME=/tmp/scratch",
    "--env=TMPDIR=/tmp/scratch",
    "--env=PYTHONPATH=/evolve",
]

# An engine that answers, knows one image, and does with `run` what the test says.
ENGINE = """\
#!{python}
import os, sys
from pathlib import Path
asked = sys.argv[1:]
if asked[:2] == ["image", "inspect"]:
    sys.exit(asked[2] != "here")
if asked[0] != "run":
    sys.exit(0)
options = [word for word in asked if word.startswith("--")]
def told(name):
    return [word.partition("=")[2] for word in options if word.startswith(f"--{{name}}=")]
(scratch, mode), = [place.split(":") for place in told("tmpfs")]
package, _, _ = told("volume")[0].split(":")
variables = dict(pair.split("=", 1) for pair in told("env"))
variables["PYTHONPATH"] = str(Path(package).parent)
program = [{python!r}, *asked[asked.index("here") + 1:]]
{run}
"""
# Without an image there is no other root: this machine's, read-only.
CONFINED = """\
import shlex
user, group = told("user")[0].split(":")
inside = (
    f"mount -o remount,bind,ro / && mount -t tmpfs -o {mode} tmpfs {scratch} && cd {scratch} && "
    f"exec setpriv --reuid {user} --regid {group} --clear-groups --inh-caps=-all "
    f"--bounding-set=-all --no-new-privs {shlex.join(program)}"
)
around = ["--mount-proc", "--net", "--ipc", "--pid", "--fork", "--kill-child"]
os.execvpe("unshare", ["unshare", *around, "sh", "-c", inside], {**os.environ, **variables})
"""
CARELESS = "os.execve(program[0], program, variables)"


@pytest.fixture(autouse=True)
def _anew():
    """Forget what was found out before, and what a test makes it find."""
    forget()
    yield
    forget()


def forget():
    container.find.cache_clear()
    levels.available.cache_clear()


@pytest.fixture
def engine(tmp_path, monkeypatch):
    """Give a function that puts an engine on the path, beside the tools of the system."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin:/usr/sbin:/sbin")
    for name in container._QUESTIONS:  # none of this machine's own
        script(tmp_path / name, "#!/bin/sh\necho none here >&2; exit 1\n")
    monkeypatch.setenv(container.IMAGE, "here")

    def put(name, run):
        script(tmp_path / name, ENGINE.format(python=sys.executable, run=textwrap.dedent(run)))

    return put


def script(path, text):
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def asked(monkeypatch, name, limits):
    monkeypatch.setenv(container.IMAGE, "python-numpy")
    monkeypatch.setattr(container, "find", lambda: (Engine(name, f"/bin/{name}"), ""))
    return Container().command(BARE, "/tmp/scratch", limits)


def test_what_docker_is_asked_for(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "key-4f1c")
    assert asked(monkeypatch, "docker", Limits(memory_mb=100, tasks=2, file_mb=0)) == [
        "/bin/docker",
        "run",
        "--rm",
        "--interactive",
        "--pull=never",
        "--log-driver=none",
        "--network=none",
        "--ipc=none",
        "--read-only",
        "--cap-drop=ALL",
        "--security-opt=no-new-privileges",
        "--user=65534:65534",
        "--memory=8292m",
        "--memory-swap=8292m",
        "--pids-limit=66",
        "--tmpfs=/tmp/scratch:size=16m,mode=1777,nosuid,nodev,noexec",
        "--workdir=/tmp/scratch",
        f"--volume={ROOT}/sandbox:/evolve/sandbox:ro",
        *INSIDE,
        f"--entrypoint={PYTHON}",
        "python-numpy",
        *BARE[1:],
    ]


def test_podman_is_asked_for_the_same_and_to_keep_everything_read_only(monkeypatch):
    limits = Limits(file_mb=3)
    docker = asked(monkeypatch, "docker", limits)[1:]
    podman = asked(monkeypatch, "podman", limits)[1:]
    assert [word for word in podman if word not in docker] == ["--read-only-tmpfs=false"]
    assert [word for word in docker if word not in podman] == []
    assert "--tmpfs=/tmp/scratch:size=19m,mode=1777,nosuid,nodev,noexec" in podman


def test_what_apptainer_is_asked_for(monkeypatch):
    assert asked(monkeypatch, "apptainer", Limits(file_mb=0)) == [
        "/bin/apptainer",
        "exec",
        "--containall",
        "--no-init",
        "--no-home",
        "--no-mount=tmp,home,cwd,hostfs,bind-paths",
        "--net",
        "--network=none",
        "--no-privs",
        "--bind=/tmp/scratch:/tmp/scratch",
        "--pwd=/tmp/scratch",
        f"--bind={ROOT}/sandbox:/evolve/sandbox:ro",
        *INSIDE,
        "python-numpy",
        PYTHON,
        *BARE[1:],
    ]


def test_the_container_gets_the_hash_seed_that_the_sandbox_was_opened_with(monkeypatch):
    monkeypatch.setenv(container.IMAGE, "python-numpy")
    for name in ("docker", "podman", "apptainer"):
        monkeypatch.setattr(container, "find", lambda name=name: (Engine(name, name), ""))
        command = Container(hash_seed=7).command(BARE, "/tmp/scratch", Limits())
        assert [word for word in command if "HASHSEED" in word] == ["--env=PYTHONHASHSEED=7"]


def test_the_engines_client_gets_no_key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "key-4f1c")
    monkeypatch.setenv("DOCKER_HOST", "unix:///run/d.sock")
    given = Container().environment("/tmp/scratch")
    assert given["DOCKER_HOST"] == "unix:///run/d.sock"
    assert "key-4f1c" not in str(given)


def test_without_an_engine_the_level_says_which_ones_there_are(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    found = levels.available("container")
    assert found == (False, "none of podman, docker, apptainer is on the path")


@pytest.mark.usefixtures("engine")
def test_a_client_without_an_engine_says_so():
    found = levels.available("container")
    assert not found.available
    assert "docker does not answer: none here" in found.reason


def test_an_engine_that_hangs_is_not_waited_for(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    monkeypatch.setattr(container, "_PATIENCE_S", 0.2)
    monkeypatch.setattr(container, "_QUESTIONS", {"docker": ("info",)})
    script(tmp_path / "docker", "#!/bin/sh\nexec sleep 30\n")
    assert "timed out after 0.2 seconds" in levels.available("container").reason


def test_without_an_image_the_level_names_the_variable(engine, monkeypatch):
    engine("docker", CARELESS)
    monkeypatch.delenv(container.IMAGE)
    reason = levels.available("container").reason
    assert f"docker answers, but EVOLVE_SANDBOX_IMAGE names no image with {PYTHON}" in reason


def test_an_image_that_is_not_here_is_not_pulled(engine, monkeypatch):
    engine("docker", CARELESS)
    monkeypatch.setenv(container.IMAGE, "elsewhere")
    assert (
        "docker has no image elsewhere here, and nothing is pulled"
        in levels.available("container").reason
    )


def test_an_engine_that_does_not_confine_is_found_out(engine):
    engine("docker", CARELESS)
    found = levels.available("container")
    assert not found.available
    assert "the container is not as it was asked for: it " in found.reason


def can_confine():
    """Tell whether this machine can do what an engine does."""
    tools = all(map(shutil.which, ("unshare", "setpriv", "mount")))
    if not tools or os.geteuid() != 0 or not os.access(sys.executable, os.X_OK):
        return False
    if not all(folder.stat().st_mode & stat.S_IXOTH for folder in (ROOT, *ROOT.parents)):
        return False
    trial = ["unshare", "--mount-proc", "--net", "--ipc", "--pid", "--fork"]
    trial += ["sh", "-c", "mount -o remount,bind,ro /"]
    return subprocess.run(trial, capture_output=True, check=False).returncode == 0


CONFINES = pytest.mark.skipif(
    not can_confine(),
    reason="the engine of this test needs root, unshare, setpriv and a checkout open to all users",
)


@CONFINES
@pytest.mark.parametrize("name", ["docker", "podman"])
def test_candidates_run_in_a_container_from_pipe_to_pipe(engine, name):
    engine(name, CONFINED)
    assert levels.available("container") == (True, "")
    limits = Limits(wall_s=30, cpu_s=0.3, file_mb=1)
    with Sandbox.open(level="container", inputs={"a": {"x": np.arange(3.0)}}, limits=limits) as box:
        look = """
import os
import numpy as np
def main(x):
    with open("note", "w") as file: file.write("note")
    return [x.sum(), os.getuid(), os.getcwd(), "PYTHONPATH" in os.environ, os.listdir()]
"""
        outcome = box.run(Job(look, "main", "a"))
        assert (outcome.status, outcome.level) == ("ok", "container"), outcome
        assert outcome.value == [3.0, 65534, box._scratch, False, ["note"]]
        assert box.run(Job(look, "main", "a")).value == outcome.value
        spin = box.run(Job("def main(x):\n    while True: pass", "main", "a"))
        assert (spin.status, spin.reason[:6]) == ("timeout", "cpu_s:")
        steal = box.run(Job("def main(x): return open('/etc/passwd').read()", "main", "a"))
        assert (steal.status, steal.value) == ("crashed", None)
        call = "import socket\ndef main(x): socket.create_connection(('127.0.0.1', 9))"
        assert "Error" in box.run(Job(call, "main", "a")).reason
        client = box._process.popen
    assert client.returncode is not None  # closing has ended it, and with it the container


@CONFINES
def test_candidates_in_a_container_hash_texts_with_the_seed_of_their_sandbox(engine):
    engine("docker", CONFINED)
    job = Job("def main(): return hash('text')", "main", "a")
    for seed in (0, 1):
        with (
            Sandbox.open(level="container", inputs={"a": {}}, hash_seed=seed) as contained,
            Sandbox.open(level="weak", inputs={"a": {}}, hash_seed=seed) as plain,
        ):
            assert contained.run(job).value == plain.run(job).value != 0


@CONFINES
def test_nothing_can_be_written_where_no_file_is_allowed(engine):
    engine("docker", CONFINED)
    with Sandbox.open(level="container", inputs={"a": {}}, limits=Limits(file_mb=0)) as box:
        outcome = box.run(Job("def main(): open('note', 'w')", "main", "a"))
        assert (outcome.status, outcome.value) == ("crashed", None), outcome


@CONFINES
def test_torch_finds_a_place_for_its_caches(engine):
    engine("docker", CONFINED)
    source = """
import torch
def main():
    weights = torch.ones(3, requires_grad=True)
    (weights.sum() ** 2).backward()
    torch.optim.SGD([weights], 0.5).step()
    return weights.detach().numpy()
"""
    limits = Limits(file_mb=0)
    with Sandbox.open(
        level="container", preload=("torch",), inputs={"a": {}}, limits=limits
    ) as box:
        outcome = box.run(Job(source, "main", "a"))
        assert (outcome.status, list(outcome.value)) == ("ok", [-2.0] * 3), outcome


@CONFINES
def test_a_module_that_the_image_lacks_is_named(engine):
    engine("docker", CONFINED)
    with pytest.raises(SandboxError, match="preload: no_such_module cannot be imported"):
        Sandbox.open(level="container", preload=("no_such_module",))
