"""A program whose grade was lost with its slot is run again; what comes of that is told as it is."""

import asyncio
import os
import signal
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from archive import queries
from archive.records import Status
from archive.store import Archive
from evolve import RunLimits, load_task, open_run, replay_run, resume_run, search
from evolve.build import worker_for
from evolve.local import LocalExecutor
from evolve.loop import search as search_loop
from evolve.world import world

pytestmark = pytest.mark.slow

TOY = Path(__file__).resolve().parent.parent / "tasks" / "toy"
QUICK = ("grade_ms=0", "pools=1", "probes=1")
VICTIM = "def weigh(features, k, rng):\n    return features[:, 0]\n"
# Gives what the victim gives, with another syntax.
TWIN = "def weigh(features, k, rng):\n    first = features[:, 0]\n    return first\n"
OTHER = "def weigh(features, k, rng):\n    return features[:, 1]\n"


class Unlucky:
    """Slots of this machine whose grader is killed, once, when it is to grade the victim.

    later: how the victim's runs end from then on, as changes of what they gave; then as they are.
    """

    num_slots = 1

    def __init__(self, slots, later):
        self._slots, self.levels, self.later = slots, slots.levels, list(later)
        self.killed, self.runs = False, []

    @asynccontextmanager
    async def slot(self, priority):
        async with self._slots.slot(priority) as slot:
            yield UnluckySlot(self, slot, alone=False)

    @asynccontextmanager
    async def alone(self):
        async with self._slots.alone() as slot:
            yield UnluckySlot(self, slot, alone=True)


class UnluckySlot:
    def __init__(self, executor, slot, alone):
        self._executor, self._slot, self._alone, self._holds = executor, slot, alone, None

    def __getattr__(self, name):
        return getattr(self._slot, name)

    async def run(self, source, stage, block):
        executor, ran = self._executor, await self._slot.run(source, stage, block)
        self._holds = source
        if source != VICTIM:
            return ran
        if executor.killed and executor.later:
            ran = replace(ran, token=None, **executor.later.pop(0))
        executor.runs.append((ran.status, self._alone))
        return ran

    async def timed_grade(self, token):
        if self._holds == VICTIM and not self._executor.killed:
            self._executor.killed = True
            os.kill(self._slot.pid, signal.SIGKILL)
        return await self._slot.timed_grade(token)


SLOW = {"status": "timeout", "reason": "cpu_s", "outputs_digest": None}
FULL = {"status": "over_limit", "reason": "memory_mb", "outputs_digest": None}
CRASHED = {"status": "crashed", "reason": "ValueError", "outputs_digest": None}


@pytest.fixture
def archive(tmp_path):
    with Archive.open(tmp_path / "evolve.db") as opened:
        yield opened


def searched(archive, *later):
    """Search with a killed grader, to the end; give the executor and the told steps."""
    initial = {"trivial": OTHER, "victim": VICTIM, "twin": TWIN}
    task, limits = load_task(TOY, QUICK), RunLimits(steps=len(initial))
    run = open_run(task, archive=archive, initial=initial, limits=limits)

    async def body():
        async with LocalExecutor(task, world(), 1) as slots:
            executor = Unlucky(slots, later)
            worker = worker_for(run, executor)
            run.close(await search_loop(run, worker, asyncio.Event(), lambda step: None))
            assert executor.killed
            return executor

    executor = asyncio.run(body())
    return executor, list(queries.told_steps(archive, run.record.id))


def same_again(archive):
    """Replay the run on a healthy machine, and fold it again."""
    record = archive.run("toy-1")
    assert search(replay_run(record, archive=archive), workers=1) == "steps"
    resumed = resume_run(record, archive=archive, limits=RunLimits(steps=record.told + 1))
    told = resumed.state.told
    resumed.close("steps")
    return told == record.told


def test_a_grade_that_is_lost_is_made_again(archive):
    executor, told = searched(archive)
    assert [step.status for step in told] == [Status.OK, Status.OK, Status.DUPLICATE]
    assert executor.runs == [("ok", False), ("ok", False)]
    assert same_again(archive)


def test_a_second_run_that_is_slow_has_its_chances_and_is_no_other_program(archive):
    executor, told = searched(archive, SLOW, SLOW)
    assert executor.runs == [("ok", False), ("timeout", False), ("timeout", True), ("ok", True)]
    assert [step.status for step in told] == [Status.OK, Status.OK, Status.DUPLICATE]
    assert same_again(archive)


@pytest.mark.parametrize("end", [SLOW, FULL])
def test_one_that_breaks_a_limit_each_time_is_told_by_that_limit(archive, end):
    executor, told = searched(archive, end, end, end)
    assert [alone for _, alone in executor.runs] == [False, False, True, True]
    # The twin was not in it: it is graded, and takes its cell.
    assert [step.status.value for step in told] == ["ok", end["status"], "ok"]
    assert (told[1].reason, told[1].evaluation) == (end["reason"], None)
    assert told[2].cell is not None
    assert same_again(archive)


def test_one_that_gives_something_else_is_not_repeatable(archive):
    executor, told = searched(archive, CRASHED)
    assert [status for status, _ in executor.runs] == ["ok", "crashed"]
    assert [step.status for step in told] == [Status.OK, Status.INVALID, Status.OK]
    assert "not repeatable" in told[1].reason
    assert same_again(archive)
