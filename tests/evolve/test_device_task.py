"""A task whose programs need a device: `device` in task.toml reaches the wall, and costs the level."""

import shutil
from pathlib import Path

import pytest

from evolve.errors import TaskError
from evolve.grader import Grader
from evolve.loader import load_task
from evolve.spec import read_spec
from evolve.world import world
from sandbox import SandboxError
from sandbox.levels import available

TOY = Path("tests/tasks/toy")

pytestmark = pytest.mark.skipif(
    not available("landlock").available, reason="needs Landlock and seccomp"
)


@pytest.fixture
def toy(tmp_path):
    """Copy the toy task, with a stand-in for a GPU."""
    folder = Path(shutil.copytree(TOY, tmp_path / "toy"))
    text = (folder / "task.toml").read_text()
    (folder / "task.toml").write_text(f'device = "cpu"\n{text}')
    return folder


def opened(folder, min_level):
    task = load_task(str(folder))
    return Grader.open(
        folder=str(task.folder),
        settings=dict(task.settings),
        digest=task.digest,
        world=world(),
        level="auto",
        min_level=min_level,
        tried=False,
        test_is_open=False,
        report=lambda done, total, what: None,
    )


def test_programs_run_on_the_device_and_their_outputs_are_those_of_the_cpu(toy):
    source = next(iter(sorted((TOY / "programs").glob("*.py")))).read_text()
    grader, plain = opened(toy, "weak"), opened(TOY, "weak")
    try:
        ran, elsewhere = (each.run(source, "probe", 0) for each in (grader, plain))
        assert grader.box.device == "cpu"
        assert (ran["status"], ran["level"]) == ("ok", "weak")
        outputs, expected = (
            each._tokens[it["token"]][1] for each, it in ((grader, ran), (plain, elsewhere))
        )
        assert repr(outputs) == repr(expected)
    finally:
        grader.close()
        plain.close()


def test_it_is_refused_where_a_run_asks_for_more(toy):
    with pytest.raises(SandboxError, match="lower min_level to weak"):
        opened(toy, "landlock")


def test_a_device_that_nobody_knows_is_a_mistake_in_task_toml(toy):
    text = (toy / "task.toml").read_text()
    (toy / "task.toml").write_text(text.replace('device = "cpu"', 'device = "gpu"'))
    with pytest.raises(TaskError, match=r"device .*'cuda'"):
        read_spec(toy / "task.toml")
