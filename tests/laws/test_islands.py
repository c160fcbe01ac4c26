"""Islands exchange elites, and each is the same run however fast the others are."""

import io
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from archive import queries
from archive.records import Kind, Migrant, Status
from archive.store import Archive
from evolve import RunLimits, load_task, open_run, resume_run, search
from evolve.documents import status_document
from evolve.errors import UsageError, WorldError
from evolve.migration import pick
from evolve.opening import replay_run
from evolve.status_view import status_table

TOY = Path(__file__).resolve().parent.parent / "tasks" / "toy"
NAMES = ("north", "east", "south")
STEPS = 40
ISLANDS = ("search.islands=" + ",".join(NAMES), "search.migrate=6", "search.lookahead=4")


def options(name, seconds=0):
    sets = [word for pair in ISLANDS for word in ("--set", pair)]
    grading = f"grade_ms={seconds}"
    return (
        *("--name", name, "--rng-seed", NAMES.index(name), "--steps", STEPS),
        *(*sets, "--set", grading),
    )


@pytest.mark.slow
def test_islands_are_the_same_however_their_processes_overtake_each_other(
    archive_url, start_toy_run, toy_run, outcome, tmp_path
):
    first = tmp_path / "first.db"
    everywhere = [start_toy_run(first, *options(name)) for name in NAMES]
    for run in everywhere:
        _, errors = run.communicate(timeout=600)
        assert run.returncode == 0, errors
    expected = {name: outcome(first, name) for name in NAMES}
    migrated = [step for steps, _ in expected.values() for step in steps if step[2] == "migrate"]
    assert any(step[5] is not None for step in migrated)  # something was taken over
    assert any(step[12] in ("NEW", "IMPROVED") for step in migrated)  # and took a cell

    # Elsewhere one begins late, with more workers, and is killed in between.
    north = start_toy_run(archive_url, *options("north"), "--workers", 1)
    east = start_toy_run(archive_url, *options("east"), "--workers", 3)
    told = 0
    for line in north.stdout:
        told += line.startswith("told ")
        if told == 5:
            break
    east.kill()
    east.communicate()
    south = start_toy_run(archive_url, *options("south"), "--workers", 2)
    again = start_toy_run(archive_url, *options("east"), "--resume")
    for run in (north, south, again):
        _, errors = run.communicate(timeout=600)
        assert run.returncode == 0, errors
    assert {name: outcome(archive_url, name) for name in NAMES} == expected

    with Archive.open(archive_url) as archive:
        replay = replay_run(archive.run("east"), archive=archive)
        assert search(replay, workers=2) == "steps"


@pytest.mark.slow
def test_a_step_tells_where_it_came_from_and_credits_no_operator(start_toy_run, tmp_path):
    place = tmp_path / "evolve.db"
    for run in [start_toy_run(place, *options(name)) for name in NAMES]:
        _, errors = run.communicate(timeout=600)
        assert run.returncode == 0, errors
    with Archive.open(place) as archive:
        run = archive.run("east")
        steps = list(queries.told_steps(archive, run.id))
        migrated = [step for step in steps if step.kind is Kind.MIGRATE]
        sources = {
            step.n: step.source for step in queries.told_steps(archive, archive.run("north").id)
        }
        assert {step.n % 6 for step in migrated} == {(run_start(steps) + 5) % 6}
        for step in migrated:
            assert step.parents == ()
            if step.source is None:
                assert step.status is Status.UNWRITTEN
                assert "north had nothing new" in step.reason
            else:
                words = step.idea.split()
                assert words[2:] == ["of", "north"]
                assert sources[int(words[1])] == step.source
        status = status_document(archive, run)
        taken = [step for step in migrated if step.source is not None]
        placed = sum(step.placement in ("NEW", "IMPROVED") for step in taken)
        last = taken[-1].n
        assert status["islands"] == {
            "ring": list(NAMES),
            "nothing_new": len(migrated) - len(taken),
            "sources": {"north": {"taken": len(taken), "placed": placed, "last": last}},
        }
        console = Console(file=io.StringIO(), width=120)
        console.print(status_table(status))
        said = f"{len(taken)} taken over from north, {placed} of them took a place"
        assert f"{said}, the last at step {last}" in console.file.getvalue()


def run_start(steps):
    return sum(step.kind is Kind.INITIAL for step in steps)


def test_an_island_that_nobody_works_on_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("evolve.migration.NOBODY_S", 0.3)
    monkeypatch.setattr("evolve.migration.LOOK_EVERY_S", 0.05)
    task = load_task(TOY, ["search.islands=here,nowhere", "search.migrate=2", "grade_ms=0"])
    with Archive.open(tmp_path / "evolve.db") as archive:
        run = open_run(task, archive=archive, name="here", limits=RunLimits(steps=40))
        with pytest.raises(WorldError, match="nowhere, an island of this search that was never"):
            search(run, workers=1)


def test_a_run_has_to_be_one_of_its_islands(tmp_path):
    task = load_task(TOY, ["search.islands=a,b"])
    place, needed = tmp_path / "evolve.db", "--name must say which"
    with Archive.open(place) as archive, pytest.raises(UsageError, match=needed):
        open_run(task, archive=archive, name="c")
    with pytest.raises(UsageError, match="two or more runs"):
        load_task(TOY, ["search.islands=alone"])


def test_a_run_that_gave_its_name_up_to_another_is_no_island_any_more(tmp_path):
    task = load_task(TOY, ["search.islands=a,b"])
    with Archive.open(tmp_path / "evolve.db") as archive:
        failed = open_run(task, archive=archive, name="a", limits=RunLimits(steps=4))
        failed.close("failed", "no such file")
        open_run(task, archive=archive, name="a", limits=RunLimits(steps=4)).close("interrupted")
        with pytest.raises(UsageError, match="a-failed-1 is none of the islands a, b"):
            resume_run(archive.run("a-failed-1"), archive=archive)


def test_half_of_the_time_the_best_migrates_and_else_any():
    migrants = [Migrant(n, f"p{n}", "", fitness) for n, fitness in enumerate((0.1, 0.9, 0.9, 0.5))]
    rng = np.random.default_rng(0)
    taken = [pick(migrants, rng).step for _ in range(2000)]
    assert 0.58 < taken.count(1) / 2000 < 0.67  # a half, and a quarter of the other
    assert min(taken.count(n) for n in (0, 2, 3)) > 180
    assert pick([], rng) is None
