"""The laws of an archive, on SQLite and PostgreSQL alike."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from archive import queries, schema
from archive.errors import ArchiveError, BoundReached, Fenced, RunBusy
from archive.journal import Journal
from archive.records import (
    Answer,
    EliteRow,
    Evaluation,
    Kind,
    Look,
    RunRecord,
    Status,
    Step,
    TaskRecord,
)
from archive.store import Archive

TASK = TaskRecord("task-digest", "toy", {"name": "toy", "limits": {"cpu_s": 5.0}}, ("task.py",))
BLOCK = {"task": TASK.digest, "world": "py3.11", "stage": "train", "block": 0}

# Waiting for another process to do something it certainly does.
PATIENCE_S = 600


@pytest.fixture
def archive(archive_url: str) -> Iterator[Archive]:
    with Archive.open(archive_url) as archive:
        yield archive


@pytest.fixture
def run(archive: Archive) -> RunRecord:
    return new_run(archive)


def new_run(archive: Archive, **changes: Any) -> RunRecord:
    values: dict[str, Any] = {
        "task": TASK,
        "world": "py3.11",
        "settings": {"search": {"depth": 3}},
        "rng_seed": 7,
        "lookahead": 16,
        "order": "step",
        "limits": {"steps": 30},
        "started": "2026-01-01T00:00:00+00:00",
    }
    return archive.create_run(**(values | changes))


def asked(n: int, **changes: Any) -> Step:
    return Step(n, 0, Kind.SEARCH, "perturb", **changes)


def told(step: Step, seq: int, **changes: Any) -> Step:
    return replace(step, told_seq=seq, status=Status.OK, **changes)


def evaluation(program: str = "p0", digest: str = "d0", **changes: Any) -> Evaluation:
    values = {"status": Status.OK, "fitness": 0.5, "n": 8, "se": 0.1, "scores": {"train-0-0": 0.5}}
    return Evaluation(**BLOCK, program=program, outputs_digest=digest, **(values | changes))


def sent(n: int, seq: int = 0, reserved_usd: float = 0.25) -> Answer:
    return Answer(n, seq, "model", "r0", {"prompt": "write"}, "sent", reserved_usd=reserved_usd)


# -- runs -------------------------------------------------------------------------------------


def test_a_run_reads_back_as_it_was_created(archive: Archive, run: RunRecord) -> None:
    assert archive.run() == archive.run("toy-1") == run
    assert (run.settings, run.limits, run.rng_seed) == ({"search": {"depth": 3}}, {"steps": 30}, 7)
    assert archive.task(run.task) == TASK


def test_runs_are_named_after_their_task_and_the_latest_is_the_default(archive: Archive) -> None:
    names = [new_run(archive, name=name).name for name in (None, "mine", "toy-7", None)]
    assert names == ["toy-1", "mine", "toy-7", "toy-8"]
    assert [run.name for run in archive.runs()] == names
    assert archive.run().name == "toy-8"


def test_a_taken_name_and_an_unknown_one_are_told_apart(archive: Archive, run: RunRecord) -> None:
    with pytest.raises(ArchiveError, match="a run 'toy-1' exists; choose another name"):
        new_run(archive, name="toy-1")
    with pytest.raises(ArchiveError, match="no run 'toy1'; did you mean toy-1"):
        archive.run("toy1")


@pytest.mark.parametrize("name", ["", "a b", "--x", "a/b", "-", ".hidden", "a\n"])
def test_a_name_that_no_command_could_be_given_is_refused(archive: Archive, name: str) -> None:
    with pytest.raises(ArchiveError, match="names no run: use letters, digits"):
        new_run(archive, name=name)
    assert archive.runs() == []


def test_a_run_that_failed_before_it_told_anything_gives_its_name_up(archive: Archive) -> None:
    refused = new_run(archive, name="mine")
    with archive.write(refused) as journal:
        journal.finish("failed", 1.0, "no such file")
    mine = new_run(archive, name="mine")
    assert mine.id != refused.id
    assert [run.name for run in archive.runs()] == ["mine-failed-1", "mine"]
    with archive.write(mine) as journal:
        journal.finish("failed", 1.0, "no such file, again")
        with pytest.raises(ArchiveError, match="a run 'mine' exists"):  # somebody writes it
            new_run(archive, name="mine")
    with archive.write(new_run(archive, name="mine")) as journal:
        journal.finish("interrupted", 1.0)
    assert [run.name for run in archive.runs()] == ["mine-failed-1", "mine-failed-2", "mine"]
    with pytest.raises(ArchiveError, match="a run 'mine' exists"):
        new_run(archive, name="mine")


def test_an_archive_without_runs_says_how_to_start_one(archive: Archive) -> None:
    with pytest.raises(ArchiveError, match="no runs yet; `evolve run TASK`"):
        archive.run()


def test_an_rng_seed_that_no_column_holds_is_refused(archive: Archive) -> None:
    with pytest.raises(ArchiveError, match="rng_seed is 9223372036854775808: choose one from 0"):
        new_run(archive, rng_seed=2**63)


# -- one step's way, every transaction done twice -----------------------------------------------


def twice(deed: Callable[[], Any]) -> Any:
    first = deed()
    assert deed() == first
    return first


def test_a_step_walks_through_the_journal_and_every_transaction_done_twice_counts_once(
    archive: Archive, run: RunRecord
) -> None:
    step = Step(0, 0, Kind.INITIAL, "initial", parents=(3, 1))
    cell = (1, 2)
    elite = EliteRow(cell, 0, 0, "p0", 0.5, 8, 0.1, mean=0.5)
    received = replace(sent(0), state="received", response={"text": "x"}, usd=0.125, tokens=40)
    with archive.write(run) as journal:
        twice(lambda: journal.ask([step]))
        twice(lambda: journal.send(sent(0)))
        assert (journal.run.usd, journal.run.reserved_usd) == (0.0, 0.25)
        twice(lambda: journal.settle(received))
        assert (journal.run.usd, journal.run.reserved_usd, journal.run.tokens) == (0.125, 0.0, 40)
        twice(lambda: journal.written(0, source="x = 1", program="p0", nodes=3))
        twice(
            lambda: journal.ran(
                0, {"status": "ok"}, outputs_digest="d0", behaviour=("b0", b"\x00\xff")
            )
        )
        stands = twice(lambda: journal.evaluated(0, evaluation(), graded=1))
        assert stands == replace(evaluation(), id=stands.id)
        final = replace(
            told(step, 0, cell=cell, placement="NEW", usd=0.125, tokens=40),
            source="x = 1",
            program="p0",
            ran={"status": "ok"},
            outputs_digest="d0",
            behaviour="b0",
            evaluation=stands.id,
        )
        twice(lambda: journal.tell(final, elites={cell: [elite]}, asks=[asked(1)], seconds=2.5))
        assert (journal.run.told, journal.run.gradings, journal.run.seconds) == (1, 1, 2.5)
        twice(lambda: journal.note(0, "IDEA: simpler"))
        look = Look("2026-01-02", ("p0",), {"score": 0.25})
        twice(lambda: journal.look(replace(look, result={})))
        twice(lambda: journal.look_result(look))
        journal.look_result(replace(look, result={"score": 0.5}))  # what stands is not replaced
        twice(lambda: journal.finish("steps", 3.5))
        assert archive.run() == journal.run
    assert list(queries.steps(archive, run.id)) == [final, asked(1)]
    assert list(queries.told_steps(archive, run.id)) == [final]
    assert queries.untold_steps(archive, run.id) == [asked(1)]
    assert queries.answers(archive, run.id) == queries.answers(archive, run.id, 0) == [received]
    assert queries.elites(archive, run.id) == [elite]
    assert queries.evaluations(archive, run.id) == {stands.id: stands}
    assert queries.notes(archive, run.id) == [(0, "IDEA: simpler")]
    assert queries.looks(archive, run.id) == [look]
    key = {"task": TASK.digest, "world": "py3.11"}
    assert queries.behaviour(archive, **key, id="b0") == b"\x00\xff"
    assert (archive.run().stop_reason, archive.run().seconds) == ("steps", 3.5)


def test_a_row_that_exists_wins(archive: Archive, run: RunRecord) -> None:
    with archive.write(run) as journal:
        journal.ask([asked(0, parents=(1,))])
        journal.ask([asked(0, parents=(2,)), asked(1)])
        journal.written(0, source="first", program="p0", nodes=1)
        journal.written(0, source="second", program="p1", nodes=1)
        journal.ran(0, {"status": "ok"}, outputs_digest="d0")
        journal.ran(0, {"status": "crashed"}, outputs_digest="d1")
        other = replace(sent(0), request_digest="other")
        assert journal.send(sent(0)) == sent(0)
        assert journal.send(other).request_digest == "r0"
    step = next(queries.steps(archive, run.id))
    assert (step.parents, step.source, step.program) == ((1,), "first", "p0")
    assert (step.ran, step.outputs_digest) == ({"status": "ok"}, "d0")


def test_why_a_run_failed_stands_until_it_ends_again(archive: Archive, run: RunRecord) -> None:
    for reason, why in (("failed", "no disk"), ("failed", "no grader"), ("failed", "no disk")):
        with archive.write(run) as journal:
            for _ in range(2):
                journal.finish(reason, 1.0, why)
        assert queries.why_failed(archive) == {run.id: why}
        assert queries.notes(archive, run.id) == []  # it is about no step
    with archive.write(run) as journal:
        journal.finish("interrupted", 2.0)
    assert queries.why_failed(archive) == {}


def test_what_ran_again_may_replace_what_nobody_has_graded(
    archive: Archive, run: RunRecord
) -> None:
    late = {"status": "timeout"}
    with archive.write(run) as journal:
        journal.ask([asked(0), asked(1)])
        for n in (0, 1):
            journal.written(n, source=f"s{n}", program=f"p{n}", nodes=1)
            journal.ran(n, {"status": "ok"}, outputs_digest=f"d{n}")
        journal.evaluated(1, evaluation("p1", "d1"), graded=1)
        for n in (0, 1):
            journal.ran(n, late, outputs_digest=None, anew=True)
    lost, graded = queries.steps(archive, run.id)
    assert (lost.ran, lost.outputs_digest) == (late, None)
    assert (graded.ran, graded.outputs_digest) == ({"status": "ok"}, "d1")


def test_a_program_that_will_not_be_run_keeps_its_text_and_the_reason(
    archive: Archive, run: RunRecord
) -> None:
    with archive.write(run) as journal:
        journal.ask([asked(0)])
        journal.written(0, source="def f(:", status=Status.INVALID, reason="line 1: invalid syntax")
    step = next(queries.steps(archive, run.id))
    assert (step.source, step.program) == ("def f(:", None)
    assert (step.status, step.reason) == (Status.INVALID, "line 1: invalid syntax")


def test_the_evaluation_that_stands_is_served_to_every_run(archive: Archive) -> None:
    first, second = new_run(archive), new_run(archive)
    with archive.write(first) as one, archive.write(second) as two:
        for journal in (one, two):
            journal.ask([asked(0)])
        standing = one.evaluated(0, evaluation(fitness=0.5), graded=1)
        assert two.evaluated(0, evaluation(fitness=0.75), graded=1) == standing
    assert next(queries.steps(archive, second.id)).evaluation == standing.id
    assert queries.find_evaluation(archive, **BLOCK, program="p0") == standing
    assert queries.find_digest(archive, **BLOCK, outputs_digest="d0") == standing
    assert queries.find_evaluation(archive, **(BLOCK | {"block": 1}), program="p0") is None


def test_what_was_found_behind_a_weaker_wall_is_served_only_where_that_is_allowed(
    archive: Archive, run: RunRecord
) -> None:
    with archive.write(run) as journal:
        weak = journal.evaluated(None, evaluation(level="weak", fitness=0.9), graded=0)
        assert queries.find_evaluation(archive, **BLOCK, program="p0", levels=("strict",)) is None
        assert (
            queries.find_digest(archive, **BLOCK, outputs_digest="d0", levels=("strict",)) is None
        )
        strict = journal.evaluated(None, evaluation(level="strict", fitness=0.5), graded=0)
    assert strict.fitness == 0.5
    for levels, found in (("strict",), strict), (("weak", "strict"), weak), (None, weak):
        assert queries.find_evaluation(archive, **BLOCK, program="p0", levels=levels) == found
        assert queries.find_digest(archive, **BLOCK, outputs_digest="d0", levels=levels) == found


def test_quality_is_kept_to_ten_significant_digits(archive: Archive, run: RunRecord) -> None:
    third = evaluation(fitness=1 / 3, se=2e-9 / 3, scores={"a": 1e9 / 3}, measures={"m": 2 / 3})
    with archive.write(run) as journal:
        standing = journal.evaluated(None, third, graded=0)
    assert (standing.fitness, standing.se) == (0.3333333333, 6.666666667e-10)
    assert (standing.scores, standing.measures) == ({"a": 333333333.3}, {"m": 0.6666666667})


@pytest.mark.parametrize("status", [Status.TIMEOUT, Status.OVER_LIMIT, Status.UNWRITTEN])
def test_what_a_machine_may_have_caused_is_no_evaluation(
    archive: Archive, run: RunRecord, status: Status
) -> None:
    with archive.write(run) as journal, pytest.raises(ValueError, match="stays with its step"):
        journal.evaluated(None, evaluation(status=status, fitness=None), graded=0)


@pytest.mark.parametrize("status", [Status.CRASHED, Status.INVALID])
def test_a_program_that_crashes_is_known_to_crash(
    archive: Archive, run: RunRecord, status: Status
) -> None:
    failed = evaluation(status=status, reason="ValueError: \0 \ud800", fitness=None, se=None)
    with archive.write(run) as journal:
        journal.evaluated(None, failed, graded=0)
    standing = queries.find_evaluation(archive, **BLOCK, program="p0")
    assert standing is not None
    assert (standing.status, standing.fitness) == (status, None)
    assert standing.reason == "ValueError: \\x00 \\ud800"


# -- telling ----------------------------------------------------------------------------------


def test_only_the_next_step_can_be_told_and_a_refused_tell_leaves_nothing(
    archive: Archive, run: RunRecord
) -> None:
    elite = EliteRow((0, 0), 0, 0, "p0", 1.0, 8, None, mean=1.0)
    with archive.write(run) as journal:
        journal.ask([asked(0), asked(1)])
        with pytest.raises(ValueError, match="step 1 is not the next to tell as number 1"):
            journal.tell(told(asked(1), 1), elites={(0, 0): [elite]}, asks=[asked(2)], seconds=1)
        with pytest.raises(ValueError, match="step 9 was never asked"):
            journal.tell(told(asked(9), 0), elites={(0, 0): [elite]}, asks=[asked(2)], seconds=1)
        assert journal.run.told == archive.run().told == 0
        journal.tell(told(asked(1), 0), elites={}, seconds=1)
        with pytest.raises(ValueError, match="step 0 is not the next to tell as number 0"):
            journal.tell(told(asked(0), 0), elites={}, seconds=1)
        journal.tell(told(asked(0), 1), elites={}, seconds=1)
    assert [step.n for step in queries.told_steps(archive, run.id)] == [1, 0]
    assert [step.n for step in queries.told_steps(archive, run.id, after=1)] == [0]
    assert queries.elites(archive, run.id) == []


def test_a_changed_cell_replaces_what_was_in_it_and_no_other(
    archive: Archive, run: RunRecord
) -> None:
    first, second, third = (
        EliteRow((0, 0), 0, n, f"p{n}", float(n), 8, None, mean=float(n)) for n in range(3)
    )
    elsewhere = replace(first, cell=(1, 0))
    with archive.write(run) as journal:
        journal.ask([asked(n) for n in range(3)])
        cells = {(0, 0): [first], (1, 0): [elsewhere]}
        journal.tell(told(asked(0), 0), elites=cells, seconds=1)
        better = {(0, 0): [second, replace(first, slot=1)]}
        journal.tell(told(asked(1), 1), elites=better, seconds=1)
        assert len(queries.elites(archive, run.id)) == 3
        journal.tell(told(asked(2), 2), elites={(0, 0): [third]}, seconds=1)
        worth_more = replace(elsewhere, mean=0.75)
        journal.revalue(2, {(0, 0): [], elsewhere.cell: []})  # believed before the last tell
        journal.revalue(3, {elsewhere.cell: [worth_more]})
    assert queries.elites(archive, run.id) == [third, worth_more]
    assert queries.best_fitness(archive) == {run.id: 2.0}


def test_a_finished_run_is_reopened_with_new_limits(archive: Archive, run: RunRecord) -> None:
    with archive.write(run) as journal:
        journal.finish("steps", 9.0)
        journal.reopen({"steps": 60})
        assert journal.run == archive.run()
    again = archive.run()
    assert (again.stop_reason, again.limits, again.seconds) == (None, {"steps": 60}, 9.0)


# -- money ------------------------------------------------------------------------------------


def test_a_call_whose_worst_case_passes_the_bound_is_not_made(
    archive: Archive, run: RunRecord
) -> None:
    with archive.write(run) as journal:
        journal.send(sent(0, reserved_usd=0.5), usd_bound=1.0)
        journal.settle(replace(sent(0), state="received", usd=0.25))
        journal.send(sent(1, reserved_usd=0.5), usd_bound=1.0)
        with pytest.raises(BoundReached, match=r"to 1\.0625 dollars; the bound is 1\.0000"):
            journal.send(sent(2, reserved_usd=0.3125), usd_bound=1.0)
        journal.send(sent(2, reserved_usd=0.25), usd_bound=1.0)
        assert (journal.run.usd, journal.run.reserved_usd) == (0.25, 0.75)


def test_an_answer_can_fail_at_a_cost_and_its_price_can_be_unknown(
    archive: Archive, run: RunRecord
) -> None:
    failed = replace(sent(0), state="failed", response={"error": "429"}, usd=0.125)
    unknown = replace(sent(1), state="received", response={"text": "x"}, usd=None, tokens=7)
    with archive.write(run) as journal:
        for answer in (failed, unknown):
            journal.send(replace(answer, state="sent", response=None, usd=None, tokens=None))
            journal.settle(answer)
        assert (journal.run.usd, journal.run.reserved_usd, journal.run.tokens) == (0.125, 0.0, 7)
    assert queries.answers(archive, run.id) == [failed, unknown]


def test_an_answer_that_was_never_sent_cannot_be_settled(archive: Archive, run: RunRecord) -> None:
    with archive.write(run) as journal, pytest.raises(ValueError, match=r"\(0, 0\) was never sent"):
        journal.settle(replace(sent(0), state="received"))


def test_what_was_sent_and_never_settled_fails_at_its_reserve_when_the_run_is_reopened(
    archive: Archive, run: RunRecord
) -> None:
    with archive.write(run) as journal:
        journal.send(sent(0, seq=0))
        journal.settle(replace(sent(0, seq=0), state="received", usd=0.125))
        journal.send(sent(0, seq=1, reserved_usd=0.5))
    with archive.write(run) as journal:
        assert (journal.run.usd, journal.run.reserved_usd) == (0.625, 0.0)
    with archive.write(run) as journal:
        assert journal.run.usd == 0.625
    unsettled = queries.answers(archive, run.id)[1]
    assert (unsettled.state, unsettled.usd) == ("failed", 0.5)
    assert unsettled.response == {"error": "unsettled"}


# -- one writer -------------------------------------------------------------------------------


def test_one_run_has_one_writer_and_the_message_says_who(archive: Archive, run: RunRecord) -> None:
    other = new_run(archive)
    assert archive.writer(run) is None
    with archive.write(run), archive.write(other):
        assert str(os.getpid()) in str(archive.writer(run))
        with pytest.raises(RunBusy, match=rf"run toy-1 is being written by .*{os.getpid()}"):
            archive.write(run)
    with archive.write(run):
        assert archive.writer(other) is None


def test_a_writer_that_was_taken_over_is_fenced_off(archive: Archive, run: RunRecord) -> None:
    with archive.write(run) as journal:
        journal.ask([asked(0)])
        with archive.database.engine.begin() as connection:
            # What a second writer does first, were the lock ever to fail.
            connection.execute(schema.runs.update().values(epoch=schema.runs.c.epoch + 1))
        for write in (
            lambda: journal.ask([asked(1)]),
            lambda: journal.send(sent(0)),
            lambda: journal.settle(replace(sent(0), state="failed")),
            lambda: journal.written(0, source="x", program="p", nodes=1),
            lambda: journal.ran(0, {}, outputs_digest="d"),
            lambda: journal.evaluated(0, evaluation(), graded=1),
            lambda: journal.tell(told(asked(0), 0), elites={}, seconds=1),
            lambda: journal.revalue(0, {}),
            lambda: journal.finish("steps", 1),
            lambda: journal.reopen({}),
            lambda: journal.note(0, "x"),
            lambda: journal.look(Look("t", (), {})),
            lambda: journal.look_result(Look("t", (), {"score": 1})),
        ):
            with pytest.raises(Fenced, match="another writer took run toy-1 over"):
                write()
    assert list(queries.steps(archive, run.id)) == [asked(0)]
    assert queries.find_evaluation(archive, **BLOCK, program="p0") is None


HOLD = """
import os, sys, time
from archive.store import Archive
archive = Archive.open(sys.argv[1])
journal = archive.write(archive.run())
if os.fork() == 0:                     # a child that outlives its parent, as a warm process may
    print(os.getpid(), flush=True)
    time.sleep(60)
time.sleep(60)
"""


def test_a_killed_writer_holds_nothing_though_its_forked_child_lives_on(
    archive: Archive, run: RunRecord, archive_url: str
) -> None:
    command = [sys.executable, "-c", HOLD, archive_url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=_root()) as holder:
        assert holder.stdout is not None
        child = int(holder.stdout.readline())
        try:
            with pytest.raises(RunBusy, match=str(holder.pid)):
                archive.write(run)
            holder.kill()
            holder.wait()
            with _when_free(archive, run) as journal:
                assert journal.run.epoch == 2
                os.kill(child, 0)
        finally:
            os.kill(child, signal.SIGKILL)


def test_a_child_forked_from_the_writer_cannot_write_and_its_end_frees_nothing(
    archive: Archive, run: RunRecord, archive_url: str
) -> None:
    def child() -> None:
        with Archive.open(archive_url) as own, pytest.raises(RunBusy):
            own.write(run)

    with archive.write(run) as journal:
        assert _forked(child) == 0
        journal.ask([asked(0)])
        assert _forked(child) == 0


# -- kills and readers --------------------------------------------------------------------------


def test_killed_around_any_commit_an_archive_opens_and_the_same_deeds_end_the_same(
    archive: Archive, archive_url: str
) -> None:
    def deeds(name: str, moment: str, at: int) -> None:
        count = 0

        def on_commit(when: str, _: str) -> None:
            nonlocal count
            count += when == moment
            if count == at and when == moment:
                os.kill(os.getpid(), signal.SIGKILL)

        with Archive.open(archive_url, on_commit=on_commit) as own:
            _two_steps(own, own.run(name))

    clean = new_run(archive)
    _two_steps(archive, clean)
    expected = _outcome(archive, clean)
    for at in itertools.count(1):
        # Just after one commit is, for the rows, just before the next: alternately is enough.
        run, moment = new_run(archive), ("before", "after")[at % 2]
        ended = _forked(partial(deeds, run.name, moment, at))
        with _when_free(archive, run):
            pass
        _two_steps(archive, run)
        assert _outcome(archive, run) == expected
        if ended == 0:
            break
        assert ended == -signal.SIGKILL
    assert at > 10


def _two_steps(archive: Archive, run: RunRecord) -> None:
    with archive.write(run) as journal:
        journal.ask([asked(0)])
        for n in range(2):
            if n < journal.run.told:
                continue
            journal.send(sent(n))
            journal.settle(replace(sent(n), state="received", usd=0.25))
            journal.written(n, source=f"x = {n}", program=f"p{n}", nodes=3)
            journal.ran(n, {"status": "ok"}, outputs_digest=f"d{n}")
            journal.evaluated(n, evaluation(f"p{n}", f"d{n}"), graded=1)
            elite = EliteRow((n,), 0, n, f"p{n}", 0.5, 8, 0.1, mean=0.5)
            due = [asked(n + 1)]
            journal.tell(told(asked(n), n), elites={(n,): [elite]}, asks=due, seconds=1)
        worth_more = EliteRow((1,), 0, 1, "p1", 0.5, 8, 0.1, mean=0.75)
        journal.revalue(2, {worth_more.cell: [worth_more]})
        journal.finish("steps", 1)


def _outcome(archive: Archive, run: RunRecord) -> Any:
    record = archive.run(run.name)
    totals = (record.told, record.stop_reason, record.usd, record.reserved_usd)
    return totals, list(queries.steps(archive, run.id)), queries.elites(archive, run.id)


def test_a_reader_in_another_process_sees_told_steps_and_keeps_no_writer_waiting(
    archive: Archive, run: RunRecord, archive_url: str
) -> None:
    def read() -> None:
        with Archive.open(archive_url, create=False) as own, own.database.reading() as connection:
            count = "SELECT count(*) FROM steps WHERE told_seq IS NOT NULL"
            assert connection.execute(text(count)).scalar_one() == 1
            os.write(to_parent, b"r")  # reading, and staying in its snapshot
            assert os.read(from_parent, 1) == b"w"

    from_child, to_parent = os.pipe()
    from_parent, to_child = os.pipe()
    with archive.write(run) as journal:
        journal.ask([asked(0), asked(1)])
        journal.tell(told(asked(0), 0), elites={}, seconds=1)
        child = _fork(read)
        assert os.read(from_child, 1) == b"r"
        journal.tell(told(asked(1), 1), elites={}, seconds=1)
        os.write(to_child, b"w")
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    for descriptor in (from_child, to_parent, from_parent, to_child):
        os.close(descriptor)


def test_many_processes_create_one_archive_and_its_runs_at_once(empty_url: str) -> None:
    def create() -> None:
        with Archive.open(empty_url) as own:
            new_run(own)

    children = [_fork(create) for _ in range(4)]
    ends = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    assert ends == [0, 0, 0, 0]
    with Archive.open(empty_url, create=False) as archive:
        assert {run.name for run in archive.runs()} == {"toy-1", "toy-2", "toy-3", "toy-4"}


# -- questions --------------------------------------------------------------------------------


def test_a_program_is_found_by_the_beginning_of_its_id(archive: Archive) -> None:
    first, second = new_run(archive), new_run(archive)
    for run in (first, second):
        with archive.write(run) as journal:
            journal.ask([asked(0), asked(1)])
            journal.written(0, source="a", program="abcd11", nodes=1)
            journal.written(1, source="b", program="abcd22", nodes=2)
    assert queries.program(archive, "abcd1").source == "a"
    assert queries.program_nodes(archive, first.id) == {"abcd11": 1, "abcd22": 2}
    run_id, step = queries.step_of_program(archive, "abcd22")
    assert (run_id, step.n) == (second.id, 1)
    assert queries.step_of_program(archive, "abcd22", first.id)[0] == first.id
    for prefix, message in (
        ("abcd", "abcd11, abcd22"),
        ("ab", "at least 4"),
        ("ffff", "no program"),
    ):
        with pytest.raises(ArchiveError, match=message):
            queries.program(archive, prefix)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_ctrl_c_at_a_commit_loses_no_dollar(
    archive: Archive, run: RunRecord, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(when: str, name: str) -> None:
        if (when, name) == (moment, "settle"):
            monkeypatch.setattr(archive.database, "on_commit", lambda *_: None)
            raise KeyboardInterrupt

    def settled(seq: int) -> Answer:
        return replace(sent(0, seq), state="received", usd=0.9 - seq, tokens=7)

    with archive.write(run) as journal:
        journal.ask([asked(0)])
        for seq in (0, 1):
            journal.send(sent(0, seq))
        monkeypatch.setattr(archive.database, "on_commit", stop)
        with pytest.raises(KeyboardInterrupt):
            journal.settle(settled(0))
        journal.settle(settled(0))
        journal.settle(settled(1))
        counted = journal.run
    found = archive.run()
    assert (found.usd, found.reserved_usd, found.tokens) == (pytest.approx(0.8), 0.0, 14)
    assert (counted.usd, counted.reserved_usd, counted.tokens) == (found.usd, 0.0, 14)


def test_a_checkpoint_stays_until_it_is_made_anew_or_other_code_keeps_its_own(
    archive: Archive, run: RunRecord
) -> None:
    def keep(told: int, code: str = "one", more: bytes = b"") -> None:
        journal.checkpoint(
            told, code=code, first=told - 10, history=b"h%d" % told + more, state=b"s%d" % told
        )

    with archive.write(run) as journal:
        for told in range(10, 70, 10):
            keep(told)
            keep(told)  # done twice, as after a commit whose fate is unknown
        known = queries.checkpoints(archive, run.id, "one")
        assert known == [(told, told - 10, told > 20) for told in range(10, 70, 10)]
        assert queries.checkpoint(archive, run.id, 60, "one") == (b"h60", b"s60")
        assert queries.checkpoint(archive, run.id, 10, "one") == (b"h10", None)
        keep(60, more=b" made anew")
        assert queries.checkpoint(archive, run.id, 60, "one").history == b"h60 made anew"
        keep(70, code="other")
        assert queries.checkpoint(archive, run.id, 70, "one") is None
    assert queries.checkpoints(archive, run.id, "one") == []
    assert queries.checkpoints(archive, run.id, "other") == [(70, 60, True)]


def test_counts_tell_what_became_of_the_steps(archive: Archive, run: RunRecord) -> None:
    with archive.write(run) as journal:
        journal.ask([asked(n) for n in range(6)])
        for n, (program, digest) in enumerate([("p0", "d0"), ("p0", "d0"), ("p1", "d0")]):
            journal.written(n, source="x", program=program, nodes=1)
            journal.ran(n, {}, outputs_digest=digest)
        duplicate = {"status": Status.DUPLICATE, "duplicate_of": 0}
        for n, changes in enumerate([{}, duplicate, duplicate, {"status": Status.UNWRITTEN}]):
            journal.tell(replace(told(asked(n), n), **changes), elites={}, seconds=1)
    counts = queries.counts(archive, run.id)
    assert (counts.asked, counts.told, counts.digests) == (6, 4, 1)
    assert counts.by_status == {Status.OK: 1, Status.DUPLICATE: 2, Status.UNWRITTEN: 1}
    assert counts.by_kind == {Kind.SEARCH: 4}
    assert (counts.syntax_duplicates, counts.behaviour_duplicates) == (1, 1)


def test_steps_come_in_order_over_many_pages(
    archive: Archive, run: RunRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "PAGE", 3)
    with archive.write(run) as journal:
        journal.ask([asked(n) for n in range(10)])
        for seq, n in enumerate(reversed(range(6))):
            journal.tell(told(asked(n), seq), elites={}, seconds=1)
    assert [step.n for step in queries.steps(archive, run.id)] == list(range(10))
    assert [step.n for step in queries.steps(archive, run.id, first=8)] == [8, 9]
    assert [step.n for step in queries.told_steps(archive, run.id, after=1)] == [4, 3, 2, 1, 0]


# -- any record -------------------------------------------------------------------------------

# What both databases hold as it is; other text is kept with escapes.
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
NAMES = st.text("abcdef0123456789", min_size=1, max_size=8)
COUNTS = st.integers(0, 2**31 - 1)
FINITE = st.floats(allow_nan=False, allow_infinity=False, width=32).map(
    lambda value: float(f"{value:.10g}")
)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | FINITE | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
TREES = st.dictionaries(st.text(max_size=9), PLAIN, max_size=3)
ANY_STEP = st.builds(
    Step,
    n=COUNTS,
    asked_after=COUNTS,
    kind=st.sampled_from(Kind),
    operator=TEXTS,
    model=st.none() | TEXTS,
    parents=st.lists(COUNTS, max_size=3).map(tuple),
    source=st.none() | TEXTS,
    ran=st.none() | TREES,
    behaviour=st.none() | NAMES,
    outputs_digest=st.none() | NAMES,
    status=st.none() | st.sampled_from(Status),
    reason=st.none() | TEXTS,
    duplicate_of=st.none() | COUNTS,
    cell=st.none() | st.lists(COUNTS, max_size=3).map(tuple),
    placement=st.none() | st.sampled_from(["NOT_ADDED", "IMPROVED", "NEW"]),
    told_seq=st.none() | COUNTS,
    usd=st.none() | FINITE,
    tokens=st.none() | COUNTS,
)
ANY_EVALUATION = st.builds(
    Evaluation,
    task=NAMES,
    world=TEXTS,
    stage=st.sampled_from(["train", "valid", "test"]),
    block=COUNTS,
    program=NAMES,
    status=st.sampled_from([Status.OK, Status.INVALID, Status.CRASHED]),
    outputs_digest=st.none() | NAMES,
    reason=st.none() | TEXTS,
    fitness=st.none() | FINITE,
    n=COUNTS,
    se=st.none() | FINITE,
    scores=st.dictionaries(TEXTS, FINITE, max_size=3),
    measures=st.dictionaries(TEXTS, FINITE, max_size=3),
    feedback=st.dictionaries(st.text(max_size=5), st.text(max_size=9), max_size=3),
    wall_s=FINITE,
    cpu_s=FINITE,
    max_rss_bytes=st.integers(0, 2**62),
    level=TEXTS,
)
IN_ONE_ARCHIVE = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def own_place(step: Step) -> int:
    """Give what no two steps of a run share: when it was told, or else its number below all of these."""
    return -1 - step.n if step.told_seq is None else step.told_seq


@IN_ONE_ARCHIVE
@given(steps=st.lists(ANY_STEP, max_size=4, unique_by=(lambda s: s.n, own_place)))
def test_any_step_reads_back_as_it_was_written(archive: Archive, steps: list[Step]) -> None:
    run = new_run(archive)
    with archive.write(run) as journal:
        journal.ask(steps)
    assert list(queries.steps(archive, run.id)) == sorted(steps, key=lambda step: step.n)


@IN_ONE_ARCHIVE
@given(written=ANY_EVALUATION)
def test_any_evaluation_reads_back_as_it_was_written(archive: Archive, written: Evaluation) -> None:
    run = new_run(archive)
    with archive.write(run) as journal:
        journal.ask([asked(0)])
        with archive.database.engine.begin() as connection:
            connection.execute(schema.steps.update().values(evaluation=None))
            connection.execute(schema.evaluations.delete())
        standing = journal.evaluated(0, written, graded=1)
    assert replace(standing, id=None) == written
    assert queries.evaluations(archive, run.id) == {standing.id: standing}


@IN_ONE_ARCHIVE
@given(request=TREES, response=TREES)
def test_any_answer_reads_back_as_it_was_written(
    archive: Archive, request: dict[str, Any], response: dict[str, Any]
) -> None:
    run = new_run(archive)
    with archive.write(run) as journal:
        journal.send(replace(sent(0), request=request))
        journal.settle(replace(sent(0), state="received", response=response))
    answer = queries.answers(archive, run.id)[0]
    assert (answer.request, answer.response) == (request, response)


def _fork(child: Callable[[], None]) -> int:
    """Run `child` in a forked process, as abruptly ended as a kill; give its pid."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            child()
            code = 0
        finally:
            os._exit(code)
    return pid


def _forked(child: Callable[[], None]) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(_fork(child), 0)[1])


def _when_free(archive: Archive, run: RunRecord) -> Journal:
    """Write a run as soon as the database has noticed that its writer was killed."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return archive.write(run)
        except RunBusy:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.01)


def _root() -> Path:
    return Path(__file__).parents[2]
