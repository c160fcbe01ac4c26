"""A candidate that misbehaves gets a status with a reason, and the next one never notices."""

import asyncio
from pathlib import Path

import pytest

from archive import queries
from archive.records import Status
from archive.store import Archive
from evolve import RunLimits, load_task, open_run, search
from evolve.errors import TaskError, UsageError
from evolve.local import LocalExecutor
from evolve.world import world

TOY = Path(__file__).resolve().parent.parent / "tasks" / "toy"
QUICK = ("grade_ms=0", "pools=2", "probes=1")
GOOD = "def weigh(features, k, rng):\n    return features[:, 0] + 0.1 * rng.normal(size=len(features))\n"


def body(*lines, imports=""):
    return imports + "def weigh(features, k, rng):\n" + "".join(f"    {line}\n" for line in lines)


BAD = {
    "loops": (body("while True: pass"), "timeout", "cpu_s"),
    "exits": (body("sys.exit(0)", imports="import sys\n"), "crashed", "SystemExit"),
    "exits hard": (body("os._exit(0)", imports="import os\n"), "crashed", ""),
    "segfaults": (body("ctypes.string_at(0)", imports="import ctypes\n"), "crashed", "SIGSEGV"),
    "floods stdout": (body("while True: print('x' * 999)"), "over_limit", "output_kb"),
    "raises": (body("return features[10**6]"), "crashed", "IndexError"),
    "returns the wrong shape": (body("return features"), "invalid", "one weight per item"),
    "returns NaN": (body("return features[:, 0] * float('nan')"), "invalid", "finite"),
    "returns too many": (body("return list(range(10**4))"), "invalid", "one weight per item"),
    "returns text": (body("return 'best'"), "invalid", "one number per item"),
    "returns an object": (body("return object()"), "invalid", "cannot cross"),
    "returns what the grader stumbles over": (body("return [10**400]"), "invalid", "grade()"),
    "returns nothing": (body("pass"), "invalid", "one weight per item"),
    "mutates its inputs": (
        body("features[:] = 0", "return features[:, 0]"),
        "crashed",
        "read-only",
    ),
    "is no program": ("def weigh(features:\n", "invalid", "line 1"),
}


async def outcomes(sources):
    """Run and grade programs one after the other in one slot: (status, reason, evaluation)."""
    found = []
    executor = LocalExecutor(load_task(TOY, QUICK), world(), 1)
    async with executor, executor.slot(0) as slot:
        for source in sources:
            ran = await slot.run(source, "train", 0)
            graded = await slot.grade(ran.token) if ran.token else None
            status = graded["status"] if graded else ran.status
            reason = graded["reason"] if graded else ran.reason
            found.append((status, reason or "", ran.outputs_digest, graded))
    return found


@pytest.mark.slow
def test_every_misdeed_has_its_status_and_the_next_candidate_is_unaffected():
    sources = [GOOD]
    for source, _, _ in BAD.values():
        sources += [source, GOOD]
    found = asyncio.run(outcomes(sources))
    clean = found[0]
    assert clean[0] == "ok"
    assert found[2::2] == [clean] * len(BAD)
    for (name, (_, status, word)), (seen, reason, _, _) in zip(
        BAD.items(), found[1::2], strict=True
    ):
        assert (name, seen) == (name, status)
        assert word in reason, f"{name}: {reason}"


@pytest.mark.slow
def test_a_time_out_is_tried_again_alone_then_stays_with_its_step_and_is_never_served(tmp_path):
    slow = {"good": GOOD, "loops": BAD["loops"][0]}
    task = load_task(TOY, QUICK)
    with Archive.open(tmp_path / "evolve.db") as archive:
        run = open_run(task, archive=archive, initial=slow, limits=RunLimits(steps=2))
        assert search(run, workers=2) == "steps"
        steps = list(queries.told_steps(archive, run.record.id))
        assert [step.status for step in steps] == [Status.OK, Status.TIMEOUT]
        assert " used, bound " in steps[1].reason  # of CPU time, or of the clock beside other load
        assert steps[1].evaluation is None
        assert len(queries.evaluations(archive, run.record.id)) == 1


@pytest.mark.slow
def test_a_question_that_was_given_up_leaves_its_answer_to_nobody():
    async def asked():
        async with LocalExecutor(load_task(TOY, QUICK), world(), 1) as executor:
            async with executor.slot(0) as slot:
                first = await slot.run(GOOD, "train", 0)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05), executor.slot(0) as slot:
                    await slot.run(BAD["loops"][0], "train", 0)
            async with executor.slot(0) as slot:
                return first, await slot.run(GOOD, "train", 0)

    first, again = asyncio.run(asked())
    assert (again.status, again.outputs_digest) == ("ok", first.outputs_digest)


@pytest.mark.slow
def test_the_hidden_test_is_closed_to_a_search():
    async def peek():
        executor = LocalExecutor(load_task(TOY, QUICK), world(), 1)
        async with executor, executor.slot(0) as slot:
            await slot.run(GOOD, "test", 0)

    with pytest.raises(TaskError, match="only `evolve verify` opens it"):
        asyncio.run(peek())


@pytest.mark.slow
def test_operators_that_can_work_on_nothing_end_the_run_with_a_reason(tmp_path):
    with Archive.open(tmp_path / "evolve.db") as archive:
        options = {"initial": {"good": GOOD}, "operators": ["recombine"]}
        run = open_run(load_task(TOY, QUICK), archive=archive, limits=RunLimits(steps=9), **options)
        with pytest.raises(UsageError, match="recombine cannot work on the 1 valid programs"):
            search(run, workers=1)


@pytest.mark.slow
def test_a_program_that_no_edit_can_handle_does_not_end_the_run(tmp_path):
    deep = body(f"return features[:, 0] * {' + '.join(['1.5'] * 900)} + 0 * len(locals())")
    huge = body(f"return features[:, 0] * min(1, {10**400})")
    with Archive.open(tmp_path / "evolve.db") as archive:
        initial = {"deep": deep, "huge": huge, "good": GOOD}
        limits = RunLimits(steps=20)
        run = open_run(load_task(TOY, QUICK), archive=archive, initial=initial, limits=limits)
        assert search(run, workers=2) == "steps"
