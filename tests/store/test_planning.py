"""PostgreSQL is told how large the tables of a new archive are before it tells itself."""

from __future__ import annotations

from dataclasses import replace

import psycopg
import pytest
from own_postgres import plain_url
from sqlalchemy import text

from archive import planning, schema
from archive.errors import ArchiveError
from archive.records import Evaluation, Kind, Status, Step, TaskRecord
from archive.store import Archive

pytestmark = pytest.mark.postgres

ROWS = min(planning.AT)
FIND = (
    "SELECT id FROM evaluations WHERE task = 'digest' AND world = 'py3.11' AND stage = 'train'"
    " AND block = 0 AND {} = 'd7'"
)


def test_one_evaluation_is_looked_for_by_its_own_key_once_some_steps_are_told(
    postgres_archive: str,
) -> None:
    with Archive.open(postgres_archive) as archive:
        task = TaskRecord("digest", "toy", {}, {})
        run = archive.create_run(
            task=task,
            **{"world": "py3.11", "settings": {}, "rng_seed": 0, "lookahead": 4, "order": "step"},
            **{"limits": {}, "started": "2026-01-01T00:00:00+00:00"},
        )
        asked = [Step(n, 0, Kind.SEARCH, "perturb") for n in range(ROWS)]
        with archive.write(run) as journal:
            journal.ask(asked)
            for step in asked:
                name = f"d{step.n}"
                found = Evaluation(
                    "digest", "py3.11", "train", 0, f"p{step.n}", Status.OK, name, behaviour=name
                )
                journal.evaluated(step.n, found, graded=1)
                assert rows_known(postgres_archive, "steps") < ROWS
                journal.tell(replace(step, told_seq=step.n, status=Status.OK), elites={}, seconds=1)
        assert (
            rows_known(postgres_archive, "steps")
            == rows_known(postgres_archive, "evaluations")
            == ROWS
        )
        with archive.database.reading() as connection:
            for key in ("program", "outputs_digest", "behaviour"):
                plan = connection.execute(text(f"EXPLAIN {FIND.format(key)}")).scalars().all()
                condition = next(line for line in plan if "Index Cond" in line)
                assert f"({key} = 'd7'" in condition


def test_tables_that_are_known_are_not_looked_at_again(
    postgres_archive: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Archive.open(postgres_archive) as archive:
        with psycopg.connect(plain_url(postgres_archive), autocommit=True) as connection:
            known = "UPDATE pg_class SET reltuples = 300 WHERE relkind = 'r' AND relname = ANY(%s)"
            connection.execute(known, [list(schema.metadata.tables)])
        deeds: list[object] = []
        monkeypatch.setattr(archive.database, "maintain", deeds.append)
        planning.look_at_tables(archive.database, 301)
        planning.look_at_tables(archive.database, 300)
        assert deeds == []
        planning.look_at_tables(archive.database, 3_000)
        assert len(deeds) == 1


def test_a_server_that_refuses_to_look_costs_no_tell(
    postgres_archive: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Archive.open(postgres_archive) as archive:
        refused: list[object] = []

        def refuse(statement: object) -> None:
            refused.append(statement)
            raise ArchiveError("canceling statement due to statement timeout")

        monkeypatch.setattr(archive.database, "maintain", refuse)
        planning.look_at_tables(archive.database, ROWS)
        assert len(refused) == 1


def rows_known(url: str, table: str) -> float:
    with psycopg.connect(plain_url(url)) as connection:
        question = "SELECT reltuples FROM pg_class WHERE relname = %s"
        return connection.execute(question, [table]).fetchone()[0]
