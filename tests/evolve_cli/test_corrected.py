"""Stories of `evolve status --fresh`: what a grid is worth on instances that nobody selected on."""

import shutil

import pytest
from sqlalchemy import func, select

from archive import queries
from archive.records import Evaluation, Kind, Status, Step
from archive.schema import evaluations
from archive.store import Archive
from evolve.corrected import Measured, compared, next_fresh_block
from evolve.grid import Elite, Grid
from evolve.spec import Measure

MEASURES = (Measure(name="a", range=(0, 1), bins=2), Measure(name="b", range=(0, 1), bins=2))
STATISTICS = {"num_elites", "coverage", "qd_score", "norm_qd_score", "best", "mean"}


@pytest.fixture
def finished(looking, tmp_path, monkeypatch):
    """Give the command line beside a copy of the archive with the finished run `toy-1`."""
    shutil.copy("evolve.db", tmp_path / "evolve.db")
    monkeypatch.chdir(tmp_path)
    return looking


def test_shown_elites_are_measured_on_a_block_that_no_step_used_and_placed_anew(finished):
    with Archive.open("evolve.db") as archive:
        record = archive.run("toy-1")
        used = [step.block for step in queries.steps(archive, record.id) if step.block]
        before = count(archive)
        status = finished.json("status", "--fresh", "--workers", 1)
        fresh = status["fresh"]
        assert fresh["block"] == 1 + max(used, default=0)
        assert fresh["archive"].keys() == fresh["corrected"].keys() == STATISTICS
        for name in ("num_elites", "coverage", "qd_score", "norm_qd_score"):
            assert fresh["archive"][name] == pytest.approx(status[name])
        assert fresh["elites"] == status["num_elites"] == len(fresh["programs"])
        assert fresh["corrected"]["num_elites"] <= fresh["elites"] - fresh["failed"]
        assert fresh["corrected"]["best"] == max(row["fresh"] for row in fresh["programs"])
        initial = fresh["anchor"]["program"] not in {row["program"] for row in fresh["programs"]}
        assert count(archive) == before + fresh["elites"] + initial
        shown = {name: mean_of(fresh["programs"], name) for name in ("fitness", "fresh")}
        assert fresh["same"] == {"archive": shown["fitness"], "fresh": shown["fresh"]}
        # Asking again costs nothing, nothing was told, and the test stays hidden.
        assert finished.json("status", "--fresh", "--workers", 1) == status
        assert count(archive) == before + fresh["elites"] + initial
        assert archive.run("toy-1").told == record.told
        assert queries.looks(archive, record.id) == []
        assert "test" not in stages(archive)


def test_corrected_statistics_stand_beside_those_of_the_archive(finished):
    said = finished("status", "--fresh", "--workers", 1)
    lines = said.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert "of valid" in said.stdout
    assert "best initial program" in said.stdout
    assert "elites kept their cell on 8 fresh instances" in " ".join(said.stdout.split())
    assert said.stderr.splitlines()[0].startswith("1/")


def test_a_run_that_is_being_written_says_so(finished):
    with Archive.open("evolve.db") as archive, archive.write(archive.run("toy-1")):
        assert "is being written by" in finished("status", "--fresh", expect=1).stderr


def test_workers_without_fresh_are_wrong_usage(finished):
    assert "without --fresh" in finished("status", "--workers", 1, expect=2).stderr


def test_the_next_block_is_behind_those_that_were_asked_for_though_not_told(finished):
    with Archive.open("evolve.db") as archive:
        record = archive.run("toy-1")
        with archive.write(record) as journal:
            journal.ask([Step(999, record.told, Kind.CONFIRM, "confirm", parents=(0, 1), block=77)])
        assert next_fresh_block(archive, record) == 78


def test_two_that_meet_in_one_cell_leave_the_better_and_what_fails_holds_none():
    grid = Grid(MEASURES)
    lucky, good, broken = (elite(step, fitness) for step, fitness in ((0, 9.0), (1, 5.0), (2, 7.0)))
    for cell, each in (((0, 0), lucky), ((1, 0), good), ((1, 1), broken)):
        grid, _ = grid.place(cell, each)
    found = compared(
        grid,
        [
            Measured((0, 0), lucky, evaluation("p0", 3.0, a=0.9, b=0.1)),
            Measured((1, 0), good, evaluation("p1", 4.0, a=0.8, b=0.2)),
            Measured((1, 1), broken, evaluation("p2", None)),
        ],
        qd_offset=1.0,
    )
    assert (found["elites"], found["failed"], found["kept_cell"]) == (3, 1, 1)
    assert found["archive"] == {
        "num_elites": 3, "coverage": 0.75, "qd_score": 18.0, "norm_qd_score": 4.5,
        "best": 9.0, "mean": 7.0,
    }  # fmt: skip
    assert found["corrected"] == {
        "num_elites": 1, "coverage": 0.25, "qd_score": 3.0, "norm_qd_score": 0.75,
        "best": 4.0, "mean": 4.0,
    }  # fmt: skip
    assert found["same"] == {"archive": 7.0, "fresh": 3.5}
    assert [row["program"] for row in found["programs"]] == ["p0", "p2", "p1"]
    assert found["programs"][1]["fresh_cell"] is None


def mean_of(rows, name):
    return pytest.approx(sum(row[name] for row in rows) / len(rows))


def elite(step, fitness, nodes=10):
    return Elite(step, f"p{step}", fitness, nodes)


def evaluation(program, fitness, **measures):
    status = Status.CRASHED if fitness is None else Status.OK
    return Evaluation("", "", "valid", 1, program, status, fitness=fitness, n=4, measures=measures)


def count(archive):
    with archive.database.reading() as connection:
        return connection.scalar(select(func.count()).select_from(evaluations))


def stages(archive):
    with archive.database.reading() as connection:
        return set(connection.scalars(select(evaluations.c.stage)))
