"""The contract of executors, kept by the slots of this machine and by those of a Ray cluster."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from processes import command, descendants

from evolve.errors import TaskError, WorldError
from evolve.executor import OpenExecutor, Ran, SlotLost
from evolve.loader import Task, load_task
from evolve.local import LocalExecutor
from evolve.world import world

pytestmark = pytest.mark.slow

TOY = Path(__file__).resolve().parent.parent / "tasks" / "toy"
QUICK = ("grade_ms=0", "pools=2", "probes=1")
GOOD = "def weigh(features, k, rng):\n    return features[:, 0] + 0.1 * rng.normal(size=len(features))\n"
OTHER = "def weigh(features, k, rng):\n    return features[:, 1]\n"
BAD = "def weigh(features, k, rng):\n    return features[10**6]\n"
SLOW = "def weigh(features, k, rng):\n    while True: pass\n"
# Graders name themselves in what they grade, and tell what of our environment they see.
CURIOUS = """
import os
from evolve.task import Grade, Instance

def instances(split, settings, block=0):
    yield Instance(f"{split}-{block}", public={"n": 1})

def grade(instance, output):
    seen = sorted(name for name in os.environ if "SECRET" in name or "KEY" in name)
    return Grade(score=1.0, measures={"a": 0.5, "b": 0.5}, feedback=f"{seen}")
"""
# A place is asked over a line of its own; where there can be none, through Ray.
THROUGH_RAY = "through ray"
each_way = pytest.mark.parametrize("kind", ["local", "ray", THROUGH_RAY], indirect=True)


@pytest.fixture(scope="module", params=["local", "ray"])
def kind(request: pytest.FixtureRequest) -> str:
    if request.param != "local":
        request.getfixturevalue("ray_cluster")
    return request.param


def executor(kind: str, task: Task, slots: int, **options: Any) -> OpenExecutor:
    if kind == "local":
        return LocalExecutor(task, world(), slots, **options)
    from evolve.ray_executor import RayExecutor

    settings = task.ray.model_copy(update={"line": kind != THROUGH_RAY})
    return RayExecutor(task, world(), slots, settings, **options)


def toy() -> Task:
    return load_task(TOY, [*QUICK, "ray.cpus=0.5", "ray.patience_s=60"])


def facts(ran: Ran) -> tuple[Any, ...]:
    return ran.status, ran.reason, ran.outputs_digest


@each_way
def test_equal_programs_give_equal_outputs_and_grades_in_every_slot_of_both(kind: str) -> None:
    async def in_both_slots() -> list[Any]:
        async with executor(kind, toy(), 2) as slots, slots.slot(0) as one, slots.slot(1) as other:
            assert one is not other
            found = []
            for slot in (one, other):
                ran = await slot.run(GOOD, "train", 0)
                quality, seconds = await slot.timed_grade(ran.token or "")
                assert seconds >= 0
                found.append((facts(ran), quality, (await slot.probe(GOOD)).behaviour))
            return found

    one, other = asyncio.run(in_both_slots())
    assert one == other
    assert one[0][0] == "ok"
    expected = SEEN.setdefault("good", one)
    assert one == expected  # and in the other kind of executor


SEEN: dict[str, Any] = {}


def test_a_bad_program_is_a_status_and_the_next_one_never_notices(kind: str) -> None:
    async def ask() -> list[Ran]:
        async with executor(kind, toy(), 1) as slots, slots.slot(0) as slot:
            return [await slot.run(source, "train", 0) for source in (GOOD, BAD, SLOW, GOOD)]

    good, bad, slow, again = asyncio.run(ask())
    assert (bad.status, slow.status) == ("crashed", "timeout")
    assert "IndexError" in (bad.reason or "")
    assert facts(again) == facts(good)


def test_the_lowest_step_waits_shortest(kind: str) -> None:
    async def ask() -> list[int]:
        served = []

        async def use(priority: int) -> None:
            async with slots.slot(priority):
                served.append(priority)

        async with executor(kind, toy(), 1) as slots:
            async with slots.slot(0):
                waiting = [asyncio.create_task(use(priority)) for priority in (7, 3, 5)]
                await asyncio.sleep(0)
            await asyncio.gather(*waiting)
        return served

    assert asyncio.run(ask()) == [3, 5, 7]


def test_who_is_alone_has_the_machine_to_itself(kind: str) -> None:
    async def ask() -> list[str]:
        events: list[str] = []

        async def use() -> None:
            async with slots.slot(9):
                events.append("other")

        async def alone() -> None:
            async with slots.alone():
                events.append("alone begins")
                other = asyncio.create_task(use())
                await asyncio.sleep(0.2)
                events.append("alone ends")
            await other

        async with executor(kind, toy(), 2) as slots:
            async with slots.slot(0):
                waits = asyncio.create_task(alone())
                await asyncio.sleep(0.2)
                assert events == []
            await waits
        return events

    assert asyncio.run(ask()) == ["alone begins", "alone ends", "other"]


@each_way
def test_a_question_that_was_given_up_leaves_its_answer_to_nobody(kind: str) -> None:
    async def ask() -> tuple[Ran, Ran]:
        async with executor(kind, toy(), 1) as slots:
            async with slots.slot(0) as slot:
                first = await slot.run(GOOD, "train", 0)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05), slots.slot(0) as slot:
                    await slot.run(SLOW, "train", 0)
            async with slots.slot(0) as slot:
                return first, await slot.run(GOOD, "train", 0)

    first, again = asyncio.run(ask())
    assert facts(first) == facts(again)


@each_way
def test_a_grader_that_is_killed_is_replaced_and_takes_its_outputs_with_it(kind: str) -> None:
    async def ask() -> tuple[Ran, Ran]:
        async with executor(kind, toy(), 1) as slots, slots.slot(0) as slot:
            ran = await slot.run(GOOD, "train", 0)
            for pid in graders():
                os.kill(pid, signal.SIGKILL)
            with pytest.raises(SlotLost):
                await slot.grade(ran.token or "")
            return ran, await slot.run(GOOD, "train", 0)

    ran, again = asyncio.run(ask())
    assert facts(ran) == facts(again)


def graders() -> list[int]:
    """Find the graders that come from this process."""
    return [pid for pid in descendants(os.getpid()) if b"evolve.grader" in command(pid)]


def test_the_hidden_test_is_closed(kind: str) -> None:
    async def peek() -> None:
        async with executor(kind, toy(), 1) as slots, slots.slot(0) as slot:
            await slot.run(GOOD, "test", 0)

    with pytest.raises(TaskError, match="only `evolve verify` opens it"):
        asyncio.run(peek())


def test_a_task_that_does_not_stand_is_told_at_the_beginning(kind: str, tmp_path: Path) -> None:
    folder = curious(tmp_path)
    (folder / "task.py").write_text("import nowhere_to_be_found\n")

    async def begin() -> None:
        async with executor(kind, load_task(folder), 2):
            pass

    with pytest.raises(TaskError, match="nowhere_to_be_found"):
        asyncio.run(begin())


def test_a_wall_that_cannot_stand_is_told_at_the_beginning(kind: str) -> None:
    async def begin() -> None:
        async with executor(kind, toy(), 1, level="container", min_level="strict"):
            pass

    with pytest.raises(WorldError, match="strict"):
        asyncio.run(begin())


def test_no_key_of_ours_reaches_a_grader(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVOLVE_TEST_SECRET", "hush")
    monkeypatch.setenv("SOME_API_KEY", "hush")

    async def look() -> dict[str, Any]:
        async with executor(kind, load_task(curious(tmp_path)), 1) as slots, slots.slot(0) as slot:
            ran = await slot.run("def give(n):\n    return n\n", "train", 0)
            return await slot.grade(ran.token or "")

    assert asyncio.run(look())["feedback"] == {"train-0": "[]"}


def curious(tmp_path: Path) -> Path:
    folder = tmp_path / "curious"
    folder.mkdir()
    measures = "\n".join(
        f'[[measures]]\nname = "{name}"\nrange = [0.0, 1.0]\nbins = 2' for name in "ab"
    )
    spec = f'name = "curious"\nabout = "Looks around."\nentry = "give"\n{measures}\n'
    (folder / "task.toml").write_text(spec)
    (folder / "task.py").write_text(CURIOUS)
    return folder
