"""GPUs of this machine: seen by the driver's tool, here a stand-in, and shared out among slots."""

import asyncio
import os

import pytest

from archive.store import Archive
from evolve import RunLimits, gpus, load_task, open_run
from evolve.build import num_cores, num_slots
from evolve.errors import TaskError, UsageError
from evolve.gpus import Gpu, environments, slots_for, visible_gpus
from evolve.local import LocalExecutor
from evolve.opening import resume_run
from evolve.world import world, world_of

TASK = """
import os
from evolve.task import Grade, Instance

def instances(split, settings, block=0):
    yield Instance(f"{split}-{block}", public={"n": 3})

def grade(instance, output):
    seen = os.environ.get("CUDA_VISIBLE_DEVICES", "-1")
    in_order = os.environ.get("CUDA_DEVICE_ORDER") == "PCI_BUS_ID"
    return Grade(score=float(seen), measures={"a": float(in_order), "b": 0.5})
"""
TOML = """
name = "where_am_i"
about = "Give a number; the score is the GPU that the grader sees."
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
device = "cpu"
[slot]
gpu_memory_mb = 10000
"""
PROGRAM = "def give(n):\n    return n\n"
CARD = "{index}, GPU-{index}{index}, {memory_mb}"


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "where_am_i"
    (folder / "programs").mkdir(parents=True)
    (folder / "task.toml").write_text(TOML)
    (folder / "task.py").write_text(TASK)
    (folder / "programs" / "trivial.py").write_text(PROGRAM)
    return folder


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Give what puts GPUs of these sizes into the machine; none with none."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(gpus, "DRIVERS", ("/dev/no_such_gpu",))
    monkeypatch.setattr(gpus, "_listed", gpus._listed.__wrapped__)  # not remembered
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")

    def put(*memory_mb):
        lines = [CARD.format(index=i, memory_mb=size) for i, size in enumerate(memory_mb)]
        tool = tmp_path / "bin" / "nvidia-smi"
        tool.parent.mkdir(exist_ok=True)
        failing = "" if memory_mb else "echo 'No devices were found'\nexit 6\n"
        tool.write_text("#!/bin/sh\n" + failing + "".join(f"echo '{line}'\n" for line in lines))
        tool.chmod(0o755)

    put()
    return put


def on_gpu(folder, device="cuda"):
    return load_task(folder, [f"device={device}"])


def test_a_task_on_the_cpu_asks_for_no_gpu(folder, machine):
    task = load_task(folder)
    assert slots_for(task, None, 6) == 6
    assert environments(task, 2) == [{}, {}]
    assert num_slots(task, 9) == 9
    assert num_slots(task) == num_cores()


def test_gpus_hold_as_many_slots_as_their_memory_and_never_more_than_cores(folder, machine):
    task = on_gpu(folder)
    machine(81559, 24564)
    assert slots_for(task, None, 64) == 8 + 2
    assert slots_for(task, None, 4) == 4
    assert slots_for(task, 30, 4) == 30  # a person knows better
    machine(6144)
    assert slots_for(task, None, 64) == 1  # it may be enough
    machine("[N/A]")  # memory shared with the CPU
    assert slots_for(task, None, 64) == 1


def test_slots_get_gpus_in_turn_and_a_large_one_more_of_them(folder, machine):
    task = on_gpu(folder)
    machine(21000, 41000)
    shown = [each["CUDA_VISIBLE_DEVICES"] for each in environments(task, 8)]
    assert shown == ["0", "1", "0", "1", "1", "1", "0", "1"]


def test_what_a_scheduler_left_visible_is_all_there_is(folder, machine, monkeypatch):
    machine(20000, 20000, 20000)
    for told, names in (
        ("1,2", ["1", "2"]),
        ("GPU-22", ["GPU-22"]),
        ("MIG-7f", ["MIG-7f"]),
        ("", []),
        ("-1", []),
    ):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", told)
        assert [gpu.name for gpu in visible_gpus()] == names
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,MIG-7f")
    assert visible_gpus() == [Gpu("2", 20000), Gpu("MIG-7f", None)]
    assert slots_for(on_gpu(folder), None, 64) == 2 + 1


def test_a_task_that_names_its_gpu_keeps_the_numbers_of_all(folder, machine):
    machine(10000, 30000)
    task = on_gpu(folder, "cuda:1")
    assert slots_for(task, None, 64) == 3
    assert environments(task, 2) == [{}, {}]
    with pytest.raises(UsageError, match="cuda:2"):
        slots_for(on_gpu(folder, "cuda:2"), None, 64)


def test_without_a_gpu_it_is_said_before_there_is_a_run(folder, machine, monkeypatch):
    with pytest.raises(UsageError, match=r"device=cuda: no GPU is seen .* go where there is one"):
        num_slots(on_gpu(folder))
    with pytest.raises(UsageError, match="no GPU is seen"):
        num_slots(on_gpu(folder), 2)
    # A driver of another maker: a person says how many slots.
    monkeypatch.setattr(gpus, "DRIVERS", ("/dev/null",))
    with pytest.raises(UsageError, match="--workers"):
        num_slots(on_gpu(folder))
    assert num_slots(on_gpu(folder), 2) == 2
    assert environments(on_gpu(folder), 2) == [{}, {}]


def test_each_grader_sees_its_own_gpu(folder, machine):
    machine(20000, 20000)
    task = on_gpu(folder)

    async def ask():
        async with (
            LocalExecutor(task, world_of(task), 3) as executor,
            executor.slot(0) as first,
            executor.slot(0) as second,
            executor.slot(0) as third,
        ):
            ran = [await slot.run(PROGRAM, "train", 0) for slot in (first, second, third)]
            graded = [
                await slot.grade(each.token)
                for slot, each in zip((first, second, third), ran, strict=True)
            ]
            return [(each["fitness"], each["measures"]["a"]) for each in graded]

    assert sorted(asyncio.run(ask())) == [(0.0, 1.0), (0.0, 1.0), (1.0, 1.0)]


def test_a_run_on_a_gpu_belongs_to_another_world(folder, machine, tmp_path):
    machine(20000)
    assert world_of(load_task(folder)) == world()
    assert world_of(on_gpu(folder, "cuda:0")) == world("cuda") == world()[: -len("cpu")] + "cuda"
    with Archive.open(tmp_path / "evolve.db") as archive:
        for device, end in (("cuda", " cuda"), ("cpu", " cpu")):
            run = open_run(on_gpu(folder, device), archive=archive, limits=RunLimits(steps=1))
            run.close("interrupted")
            assert run.record.world.endswith(end)
            resumed = resume_run(archive.run(run.record.name), archive=archive)
            resumed.close("interrupted")


def test_the_table_slot_of_a_task_is_checked(folder):
    text = (folder / "task.toml").read_text()
    (folder / "task.toml").write_text(text.replace("gpu_memory_mb = 10000", "gpu_memory = 4"))
    with pytest.raises(TaskError, match=r"slot\.gpu_memory"):
        load_task(folder)
