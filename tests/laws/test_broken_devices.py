"""A GPU that gives up under a grade costs a grader; twice under one program, it is a status."""

import asyncio

import pytest

from archive import queries
from archive.records import Status
from archive.store import Archive
from evolve import RunLimits, load_task, open_run, resume_run, search
from evolve.executor import DeviceLost
from evolve.grading import device_fault
from evolve.local import LocalExecutor
from evolve.opening import replay_run
from evolve.world import world

TASK = """
from pathlib import Path
from evolve.task import Grade, Instance

def instances(split, settings, block=0):
    yield Instance(f"{split}-{block}", public={"n": 3}, private={"once": settings.once})

def grade(instance, output):
    if output == 13:
        raise RuntimeError("CUDA error: an illegal memory access was encountered\\nsecond line")
    once = Path(instance.private["once"])
    if output == 7 and not once.exists():
        once.touch()
        raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
    return Grade(score=float(output), measures={"a": 0.5, "b": 0.5})
"""
TOML = """
name = "fragile"
about = "Give a number; some break the device."
entry = "give"
[[measures]]
name = "a"
range = [0.0, 1.0]
bins = 2
[[measures]]
name = "b"
range = [0.0, 1.0]
bins = 2
[settings]
once = ""
"""


def gives(number):
    return f"def give(n):\n    return {number}\n"


PROGRAMS = {"trivial": gives(1), "breaks": gives(13), "unlucky": gives(7), "good": gives(2)}
PROGRAMS["twin"] = "def give(n):\n    return 12 + 1\n"


@pytest.fixture
def task(tmp_path):
    folder = tmp_path / "fragile"
    (folder / "programs").mkdir(parents=True)
    (folder / "task.toml").write_text(TOML)
    (folder / "task.py").write_text(TASK)
    (folder / "programs" / "trivial.py").write_text(PROGRAMS["trivial"])
    return load_task(folder, [f"once={tmp_path / 'once'}"])


@pytest.mark.slow
def test_a_device_that_breaks_once_costs_a_grader_and_twice_is_a_status(task, tmp_path):
    with Archive.open(tmp_path / "evolve.db") as archive:
        limits = RunLimits(steps=len(PROGRAMS))
        run = open_run(task, archive=archive, initial=PROGRAMS, limits=limits)
        assert search(run, workers=2) == "steps"
        told = list(queries.told_steps(archive, run.record.id))
        assert [step.status for step in told] == [
            Status.OK,
            Status.OVER_LIMIT,
            Status.OK,
            Status.OK,
            Status.DUPLICATE,  # it gives what broke the device
        ]
        evaluations = run.state.evaluations
        record = archive.run(run.record.name)
        resumed = resume_run(record, archive=archive, limits=RunLimits(steps=9))
        assert resumed.state.evaluations == evaluations
        resumed.close("steps")
        assert "broke the device twice" in told[1].reason
        assert "illegal memory access" in told[1].reason
        assert told[1].evaluation is None  # nobody else is served it

        replay = replay_run(archive.run(run.record.name), archive=archive)
        assert search(replay, workers=1) == "steps"


@pytest.mark.slow
def test_the_next_question_finds_a_fresh_grader(task):
    async def ask():
        async with LocalExecutor(task, world(), 1) as executor, executor.slot(0) as slot:
            before = slot.pid
            ran = await slot.run(gives(13), "train", 0)
            with pytest.raises(DeviceLost, match="illegal memory access"):
                await slot.grade(ran.token)
            ran = await slot.run(gives(2), "train", 0)
            return (await slot.grade(ran.token))["fitness"], slot.pid != before

    assert asyncio.run(ask()) == (2.0, True)


def test_what_torch_says_of_a_device_is_told_from_other_errors():
    torch = pytest.importorskip("torch")
    assert device_fault(torch.OutOfMemoryError("CUDA out of memory.")) == "CUDA out of memory."
    assert device_fault(RuntimeError("cuDNN error: CUDNN_STATUS_NOT_INITIALIZED")) is not None
    assert device_fault(RuntimeError("shapes do not match")) is None
    assert device_fault(ValueError("CUDA error: no")) is None
