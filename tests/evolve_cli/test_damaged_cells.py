"""A cell that somebody damaged, in a file whose pages are whole, is told with where and what to do."""

import shutil
import sqlite3

import pytest

BROKEN_JSON, NO_UTF8 = "'[1,'", "CAST(x'ff' AS TEXT)"


@pytest.fixture
def damaged(looking, archive_folder, tmp_path, monkeypatch):
    """Give a way to write into the last row of a table, and the command line beside that archive."""
    shutil.copy(archive_folder / "evolve.db", tmp_path)
    monkeypatch.chdir(tmp_path)

    def damage(table, column, value):
        with sqlite3.connect("evolve.db") as archive:
            archive.execute("PRAGMA ignore_check_constraints = ON")
            last = f"SELECT max(rowid) FROM {table} WHERE {column} IS NOT NULL"
            archive.execute(f"UPDATE {table} SET {column} = {value} WHERE rowid = ({last})")
        archive.close()
        return looking

    return damage


@pytest.mark.parametrize(
    ("table", "column", "value", "commands"),
    [
        ("steps", "status", "'inwalid'", ("resume",)),
        ("steps", "parents", BROKEN_JSON, ("resume",)),
        ("steps", "kind", "'serch'", ("resume",)),
        ("evaluations", "status", "'inwalid'", ("resume",)),
        ("evaluations", "measures", BROKEN_JSON, ("elites", "resume")),
        ("elites", "cell", BROKEN_JSON, ("status", "elites")),
        ("runs", "settings", BROKEN_JSON, ("status", "elites", "resume")),
        ("runs", "totals", BROKEN_JSON, ("status", "resume")),
        ("tasks", "spec", BROKEN_JSON, ("status",)),
    ],
)
def test_what_is_no_json_or_no_status_names_its_table(damaged, table, column, value, commands):
    evolve = damaged(table, column, value)
    for command in commands:
        said = evolve(command, *more(command), expect=1).stderr
        assert "evolve.db: a row of" in said
        assert table in said
        assert "the archive is damaged there: go back to a copy of it" in said


@pytest.mark.parametrize(
    ("table", "column", "commands"),
    [
        ("steps", "operator", ("elites", "resume")),
        ("elites", "cell", ("elites",)),
        ("evaluations", "scores", ("resume",)),
        ("runs", "settings", ("status", "elites", "resume")),
    ],
)
def test_what_is_no_utf8_names_its_column(damaged, table, column, commands):
    evolve = damaged(table, column, NO_UTF8)
    for command in commands:
        said = evolve(command, *more(command), expect=1).stderr
        assert f"column '{column}'" in said
        assert "the archive is damaged there: go back to a copy of it" in said


def more(command):
    return ["--steps", 30] if command == "resume" else []
