"""What a person is told when an archive cannot be opened or written, and that nothing is lost."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import event, text
from sqlalchemy.exc import IntegrityError

import archive as package
from archive import database, locks, queries, schema
from archive.errors import ArchiveError
from archive.records import Evaluation, Kind, Status, Step, TaskRecord
from archive.store import Archive

WRONG_REFERENCE = "UPDATE steps SET evaluation = 77"


def new_run(archive: Archive) -> Any:
    return archive.create_run(
        task=TaskRecord("digest", "toy"),
        world="py3.11",
        settings={},
        rng_seed=0,
        lookahead=16,
        order="step",
        limits={},
        started="2026-01-01",
    )


def test_a_missing_archive_is_not_made_by_a_reader(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="no archive here; `evolve run` makes one"):
        Archive.open(tmp_path / "evolve.db", create=False)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_something_else_is_named_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database, but long enough to have a header of a hundred bytes " * 9)
    before = path.read_bytes()
    with pytest.raises(ArchiveError, match=r"notes\.txt: file is not a database"):
        Archive.open(path)
    assert path.read_bytes() == before


def test_a_database_of_something_else_is_named_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "recipes.db"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE recipes (name TEXT)")
    before = path.read_bytes()
    with pytest.raises(ArchiveError, match=r"tables of something else .recipes"):
        Archive.open(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("{}", "is a folder; name a file in it"),
        ("{}/none/evolve.db", "its folder does not exist"),
        ("mysql://user:secret@host/name", r"mysql://user:\*\*\*@host/name: not an archive's URL"),
        ("sqlite:///{}", "is a folder"),
    ],
)
def test_a_place_that_cannot_be_says_why(tmp_path: Path, place: str, message: str) -> None:
    with pytest.raises(ArchiveError, match=message):
        Archive.open(place.format(tmp_path))


def test_an_empty_file_is_no_archive_to_a_reader_and_becomes_one_for_a_writer(
    tmp_path: Path,
) -> None:
    path = tmp_path / "odd %20#name?.db"
    path.touch()
    with pytest.raises(ArchiveError, match="is empty, no archive"):
        Archive.open(path, create=False)
    with Archive.open(path) as archive:
        new_run(archive)
    with Archive.open(str(path), create=False) as archive:
        assert archive.run().name == "toy-1"


def test_an_archive_of_a_newer_evolve_is_not_touched(empty_url: str) -> None:
    with Archive.open(empty_url) as archive, archive.database.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'evolve_9999'"))
    with pytest.raises(ArchiveError, match=r"written by a newer evolve .schema evolve_9999"):
        Archive.open(empty_url)


def test_a_damaged_file_says_how_to_save_what_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "evolve.db"
    with Archive.open(path) as archive:
        new_run(archive)
    page = 4096
    path.write_bytes(path.read_bytes()[:page] + b"\xff" * (path.stat().st_size - page))
    with pytest.raises(ArchiveError, match=r"malformed; the file is damaged.*recover"):
        Archive.open(path).run()


def test_a_full_disk_is_explained_and_everything_told_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "evolve.db"
    with Archive.open(path) as archive:
        run = new_run(archive)
        with archive.write(run) as journal:
            journal.ask([Step(0, 0, Kind.SEARCH, "perturb")])
    with Archive.open(path) as archive:

        @event.listens_for(archive.database.engine, "connect")
        def fill(connection: Any, record: Any) -> None:
            connection.execute("PRAGMA max_page_count = 1")  # SQLite takes the size it has

        archive.database.engine.dispose()
        with archive.write(run) as journal:
            with pytest.raises(ArchiveError, match=r"disk is full; free some space.*told is kept"):
                journal.ask([Step(1, 0, Kind.SEARCH, "perturb", source="x" * 1_000_000)])
            assert [step.n for step in queries.steps(archive, run.id)] == [0]
    with Archive.open(path) as archive, archive.write(run) as journal:
        journal.ask([Step(1, 0, Kind.SEARCH, "perturb")])
        assert [step.n for step in queries.steps(archive, run.id)] == [0, 1]


def test_an_archive_on_a_read_only_disk_can_be_read_and_says_that_it_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "evolve.db"
    with Archive.open(path) as archive:
        run = new_run(archive)
    # To root every folder is writable, so the system's answer is replaced.
    monkeypatch.setattr("archive.database.os.access", lambda path, mode: False)
    with Archive.open(path) as archive:
        assert archive.run() == run
        with pytest.raises(ArchiveError, match="readonly database; make the file and its folder"):
            archive.write(run)


def test_the_migrations_make_the_schema_and_its_version_is_their_newest(archive_url: str) -> None:
    folder = Path(str(package.__file__)).parent / "migrations"
    assert ScriptDirectory(str(folder)).get_heads() == [schema.VERSION]
    with Archive.open(archive_url) as archive, archive.database.engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, schema.metadata) == []


OLD_ROWS = """
INSERT INTO tasks VALUES ('digest', 'toy', '{}', '[]');
INSERT INTO runs (id, name, task, world, settings, rng_seed, lookahead, order_, limits, epoch, told,
    seconds, started, usd, reserved_usd, tokens, gradings)
    VALUES (1, 'toy-1', 'digest', 'py3.11', '{}', 0, 16, 'step', '{}', 1, 0, 0, '2026', 0, 0, 0, 0);
INSERT INTO evaluations (id, task, world, stage, block, program, status, n, scores, measures, feedback,
    wall_s, cpu_s, max_rss_bytes, level)
    VALUES (7, 'digest', 'py3.11', 'train', 0, 'p0', 'ok', 0, '{}', '{}', '{}', 0, 0, 0, 'weak');
INSERT INTO steps (run, n, asked_after, kind, operator, parents, evaluation)
    VALUES (1, 0, 0, 'initial', 'initial', '[]', 7);
INSERT INTO answers (run, n, seq, kind, request_digest, request, state, reserved_usd)
    VALUES (1, 0, 0, 'model', 'r0', '{}', 'sent', 0.5);
"""


def test_an_archive_of_the_first_schema_is_brought_up_to_date_with_all_it_holds(
    empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Evaluation("digest", "py3.11", "train", 0, "p0", Status.OK, level="weak")
    with monkeypatch.context() as then:
        then.setattr(database, "VERSION", "evolve_0001")
        with Archive.open(empty_url) as old, old.database.engine.begin() as connection:
            for statement in filter(str.strip, OLD_ROWS.split(";")):
                connection.execute(text(statement))
    with Archive.open(empty_url) as archive, archive.write(archive.run()) as journal:
        assert journal.run.name == "toy-1"
        assert (journal.run.usd, journal.run.reserved_tokens) == (0.5, 0)
        assert queries.step(archive, 1, 0) == Step(0, 0, Kind.INITIAL, "initial", evaluation=7)
        assert journal.evaluated(None, found, graded=0).id == 7
        assert journal.evaluated(None, replace(found, level="strict"), graded=0).id != 7
        with pytest.raises(IntegrityError):  # what refers to nothing is refused as before
            archive.database.write("wrong", lambda c: c.execute(text(WRONG_REFERENCE)))


def test_closing_one_run_lets_go_of_no_other(tmp_path: Path) -> None:
    with Archive.open(tmp_path / "evolve.db") as archive:
        one, two = new_run(archive), new_run(archive)
        with archive.write(one):
            archive.write(two).close()
            assert archive.writer(two) is None
            lock_file = archive.database.lock_file
            assert lock_file is not None
            # Of closing a second descriptor of the file, all locks of the process would die.
            assert len(locks._files) == 1
            assert archive.writer(one) is not None
