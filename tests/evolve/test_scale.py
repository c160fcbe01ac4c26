"""A search of any length: the same after a resume, so much memory per step, and no query that scans."""

import argparse
import asyncio
import gc
import itertools
import json
import sys
import tracemalloc
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import event

from archive import queries
from archive.records import Kind, Status
from archive.rows import rounded
from archive.store import Archive
from evolve import checkpoint, entries, history, telling
from evolve.believed import folded
from evolve.loop import search
from evolve.totals import counted_totals, run_totals
from evolve.work import Worker

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
from bulk import fill
from known_state import known
from scale_bench import opened, resumed
from simulated import Clock, SimulatedExecutor

STEPS = 150
# What an index holds of a told step, keys and belief together; its row has several thousand.
BYTES_PER_STEP = 1_500
WRITTEN_ROUNDED = ("fitness", "se", "mean", "error")


def options(**told):
    own = {"steps": STEPS, "slots": 40, "order": "step", "confirm": 0.1, "instances": 8, "fill": 0}
    return argparse.Namespace(**(own | told))


def searched(archive, wanted, stop_at=None, see=lambda run: None):
    """Search as far as told, or until so many steps are told; give the run, closed."""
    run = opened(archive, wanted)
    worker = Worker(run, SimulatedExecutor(wanted.slots, wanted.instances))

    async def body():
        stop = asyncio.Event()

        def watch(step):
            see(run)
            if run.state.told == stop_at:
                stop.set()

        return await search(run, worker, stop, watch)

    with asyncio.Runner(loop_factory=Clock) as runner:
        run.close(runner.run(body()))
    return run


def told(archive):
    return [
        (s.n, s.source, s.status, s.parents, s.cell, s.placement, s.duplicate_of, s.reason)
        for s in queries.told_steps(archive, archive.run().id)
    ]


@pytest.fixture
def forgetful(monkeypatch):
    """Keep so few told steps whole that a short search has to recall most of them."""
    monkeypatch.setattr(entries, "LATEST", 30)
    monkeypatch.setattr(entries, "RECALLED", 10)
    monkeypatch.setattr(history, "SCORED", 30)


@pytest.mark.parametrize("order", ["step", "arrival"])
def test_a_simulated_search_keeps_its_slots_busy_and_confirms_places_and_meets_duplicates(
    order, tmp_path
):
    with Archive.open(tmp_path / "run.db") as archive:
        run = searched(archive, options(order=order))
        found = queries.counts(archive, run.record.id)
        totals, record = run_totals(archive, run.record), run.record
        assert totals == run.totals == counted_totals(archive, record)
    assert totals.count("evaluations") == run.state.evaluations == found.digests
    assert {Status(name): n for (name,), n in totals.under("status").items()} == found.by_status
    assert {Kind(name): n for (name,), n in totals.under("kind").items()} == found.by_kind
    assert run.state.told == STEPS
    assert run.state.confirms > 2
    assert found.syntax_duplicates + found.behaviour_duplicates > 5
    assert len(run.state.grid.cells) > 10


def test_rows_of_elites_tell_who_holds_at_every_tell_and_all_that_is_believed_at_the_end(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(telling, "ROWS_PER_CONFIRM_STEP", 20)
    exact_at, behind = 0, []
    with Archive.open(tmp_path / "run.db") as archive:

        def see(run):
            nonlocal exact_at
            rows = queries.elites(archive, run.record.id)
            grid, confirms = run.state.grid, run.state.confirms
            assert {(row.cell, row.step) for row in rows} == {
                (cell, elite.step) for cell in grid.order for elite in grid.cells[cell]
            }
            exact_at = confirms if rows == known_rows(run) else exact_at
            behind.append(confirms - exact_at)
            assert behind[-1] <= len(grid.cells) // 20

        run = searched(archive, options(steps=2 * STEPS), see=see)
        assert run.state.confirms > 10
        assert queries.elites(archive, run.record.id) == known_rows(run)
    assert max(behind) > 1


@pytest.mark.parametrize("stop_at", range(100, 140, 4))
def test_a_run_that_does_not_know_of_its_last_tell_leaves_what_that_wrote(stop_at, tmp_path):
    tells = itertools.count(1)

    def cut_off(moment, name):
        if (moment, name) == ("after", "tell") and next(tells) == stop_at:
            raise KeyboardInterrupt

    with Archive.open(tmp_path / "run.db", on_commit=cut_off) as archive:
        run = opened(archive, options(confirm=0.5))
        worker = Worker(run, SimulatedExecutor(40))
        with pytest.raises(KeyboardInterrupt), asyncio.Runner(loop_factory=Clock) as runner:
            runner.run(search(run, worker, asyncio.Event(), lambda step: None))
        run.close("interrupted")
        assert (run.state.told, archive.run().told) == (stop_at - 1, stop_at)
        rows, state = queries.elites(archive, run.record.id), folded(archive, archive.run())
    assert state.confirms > 0
    assert {(row.cell, row.step) for row in rows} == {
        (cell, elite.step) for cell in state.grid.order for elite in state.grid.cells[cell]
    }


def known_rows(run):
    """Give the rows of elites that tell all that is believed now, as a query gives them."""
    held = telling.rows_of(run.state.grid).values()
    written = [row_of(elite) for each in held for elite in each]
    return sorted(written, key=lambda row: (-row.mean, row.step))


def row_of(elite):
    return replace(elite, **{name: rounded(getattr(elite, name)) for name in WRITTEN_ROUNDED})


def test_a_search_that_recalls_its_steps_is_the_one_that_kept_them_resumed_or_not(
    tmp_path, request
):
    with Archive.open(tmp_path / "whole.db") as archive:
        whole = searched(archive, options())
        expected = told(archive)
    request.getfixturevalue("forgetful")
    with Archive.open(tmp_path / "stopped.db") as archive:
        searched(archive, options(), stop_at=STEPS // 3)
        searched(archive, options(steps=STEPS // 2))
        resumed_run = searched(archive, options())
        assert told(archive) == expected
        assert resumed_run.state.grid == whole.state.grid
        assert resumed_run.state.best == whole.state.best
        again = resumed(archive)
        assert again.state.grid == whole.state.grid
        assert again.state.calibration == whole.state.calibration
        assert again.state.history.beliefs == whole.state.history.beliefs
        again.close("steps")


@pytest.mark.parametrize("order", ["step", "arrival"])
def test_a_run_opened_from_a_checkpoint_is_the_one_folded_from_all_its_rows(
    order, tmp_path, monkeypatch, request
):
    monkeypatch.setattr(checkpoint, "EVERY", 20)
    request.getfixturevalue("forgetful")
    wanted = partial(options, order=order, slots=10)
    with Archive.open(tmp_path / "whole.db") as archive:
        searched(archive, wanted())
        expected = told(archive)
    with Archive.open(tmp_path / "run.db") as archive:
        for steps, stop_at in ((STEPS, 65), (STEPS, 70), (90, None), (110, None), (STEPS, None)):
            run = searched(archive, wanted(steps=steps), stop_at)
            begun, again = folded_again(archive, monkeypatch)
            assert begun in range(0, run.state.told + 1, 20)
            # In the order of arrival one that began long ago may be at work when a run is stopped.
            assert begun > 0 or (order == "arrival" and stop_at is not None)
            with monkeypatch.context() as other:
                other.setattr(checkpoint, "CODE", "of other code")
                assert folded_again(archive, other) == (0, again)
            with monkeypatch.context() as damaged:
                damaged.setattr(checkpoint, "_unpacked", lambda body: json.loads("[1,"))
                assert folded_again(archive, damaged) == (0, again)
            assert again[0] == known(run.state)
        assert told(archive) == expected or order == "arrival"


def folded_again(archive, monkeypatch):
    """Open a run again; give from which tell on its rows were folded, and what it knows."""
    begun = []

    def told_facts(*args, first, **others):
        begun.append(first)
        return asked(*args, first=first, **others)

    with monkeypatch.context() as patch:
        asked = queries.told_facts
        patch.setattr(queries, "told_facts", told_facts)
        run = resumed(archive)
    run.close("steps")
    return begun[0], (known(run.state), run._open)


def test_memory_grows_by_so_much_per_told_step(tmp_path, request):
    few, many = 300, 1_300
    for steps in (few, many):
        with Archive.open(tmp_path / f"{steps}.db") as archive:
            run = opened(archive, options(steps=steps))
            fill(run, 8, lambda step: None)
            run.close("steps")
    request.getfixturevalue("forgetful")
    grown = bytes_of_resume(tmp_path / f"{many}.db") - bytes_of_resume(tmp_path / f"{few}.db")
    assert grown / (many - few) < BYTES_PER_STEP


def bytes_of_resume(place):
    """Give the bytes that a run holds which was just opened again."""
    with Archive.open(place) as archive:
        gc.collect()
        tracemalloc.start()
        run = resumed(archive)
        gc.collect()
        held = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        run.close("steps")
    return held


def test_no_query_of_a_step_reads_a_whole_table(tmp_path):
    asked = {}

    with Archive.open(tmp_path / "run.db") as archive:
        searched(archive, options(steps=40))
        run = opened(archive, options(steps=90))

        @event.listens_for(archive.database.engine, "before_cursor_execute")
        def note(connection, cursor, statement, parameters, context, executemany):
            if statement.split()[0] in ("SELECT", "UPDATE", "DELETE", "INSERT"):
                asked.setdefault(statement, parameters[0] if executemany else parameters)

        worker = Worker(run, SimulatedExecutor(20))
        with asyncio.Runner(loop_factory=Clock) as runner:
            runner.run(search(run, worker, asyncio.Event(), lambda step: None))
        run.close("steps")
        event.remove(archive.database.engine, "before_cursor_execute", note)
        with archive.database.reading() as connection:
            plans = {
                statement: [
                    row[-1]
                    for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
                ]
                for statement, values in asked.items()
            }
    assert len(plans) > 15
    scanning = {s: plan for s, plan in plans.items() if any("SCAN" in line for line in plan)}
    assert not scanning


def test_a_limit_that_was_raised_is_asked_beside_what_was_under_way_then(tmp_path):
    def searched_to(place, *limits):
        with Archive.open(tmp_path / place) as archive:
            for limit in limits:
                searched(archive, options(steps=limit))
            return told(archive)

    assert searched_to("twice.db", 50, 110) == searched_to("once.db", 110)
