"""The wheel alone is enough: it ships the tasks, and a newcomer's first commands work from it."""

import json
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

import evolve
from evolve.loader import load_task

ROOT = Path(__file__).resolve().parents[2]
# Building takes two seconds and a command one, on a machine that does nothing else.
PATIENCE_S = 600
# Where Python says that it found our packages; a checkout may be installed beside the wheel.
HOMES = (
    "import archive, evolve, sandbox; print(archive.__file__, evolve.__file__, sandbox.__file__)"
)
# One task with much data, and one that extends it.
SOME = ("pruning", "pruning_nm")
DIGESTS = f"from evolve.loader import load_task; [print(load_task(name).digest) for name in {SOME}]"
SHIPPED_SUFFIXES = {".py", ".toml", ".md", ".json", ".npz", ".mako"}

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Unpacked:
    """A wheel's content in a folder, and a working folder far from the checkout."""

    packages: Path
    work: Path

    def python(self, *arguments):
        """Run the interpreter of these tests with the wheel's packages; give what it printed."""
        done = subprocess.run(
            [sys.executable, *map(str, arguments)],
            cwd=self.work,
            env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(self.packages), "HOME": str(self.work)},
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def evolve(self, *arguments):
        return json.loads(self.python("-m", "evolve", *arguments, "--json"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder],
        cwd=ROOT,
        capture_output=True,
        timeout=PATIENCE_S,
        check=True,
    )
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def unpacked(wheel, tmp_path_factory):
    folder = tmp_path_factory.mktemp("unpacked")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "packages")
    (folder / "work").mkdir()
    return Unpacked(folder / "packages", folder / "work")


def test_the_wheel_holds_what_runs_and_the_tasks_and_no_tests(wheel):
    assert wheel.name.startswith(f"evolve_search-{evolve.__version__}-")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {
        "archive", "evolve", "sandbox",
    }  # fmt: skip
    assert not [name for name in names if "test" in Path(name).name or "__pycache__" in name]
    for folder, place in (
        (ROOT / "tasks", "evolve/_tasks"),
        (ROOT / "evolve", "evolve"),
        (ROOT / "sandbox", "sandbox"),
        (ROOT / "archive", "archive"),
    ):
        files = {
            f"{place}/{path.relative_to(folder).as_posix()}"
            for path in folder.rglob("*")
            if path.suffix in SHIPPED_SUFFIXES
        }
        assert files <= names


def test_a_newcomers_first_commands_work_from_the_wheel_alone(unpacked):
    homes = unpacked.python("-c", HOMES).split()
    assert all(Path(home).is_relative_to(unpacked.packages) for home in homes)
    shipped = unpacked.evolve("tasks")
    assert {each["task"] for each in shipped} == {
        path.parent.name for path in ROOT.glob("tasks/*/task.toml")
    }
    assert all(Path(each["path"]).is_relative_to(unpacked.packages) for each in shipped)
    assert unpacked.python("-c", DIGESTS).split() == [
        load_task(ROOT / "tasks" / name).digest for name in SOME
    ]
    assert unpacked.evolve("new", "mine")["path"] == "mine"
    checked = unpacked.evolve("check", "mine")
    assert checked["ok"], checked["findings"]
    status = unpacked.evolve("run", "mine", "--steps", 8)
    assert (status["state"], status["steps"]) == ("finished", 8)
    assert status["num_elites"] > 0
