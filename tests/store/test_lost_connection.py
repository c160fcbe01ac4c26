"""A PostgreSQL server that goes away in mid-run: the transaction is done again, and once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import psycopg
import pytest

from archive import queries
from archive.errors import ConnectionLost
from archive.records import Answer, Kind, Status, Step, TaskRecord
from archive.store import Archive

pytestmark = pytest.mark.postgres

STEP = Step(0, 0, Kind.SEARCH, "perturb")
ANSWER = Answer(0, 0, "model", "r0", {}, "sent", reserved_usd=0.5)


class Cut:
    """Ends all other sessions of a database just before or after a chosen commit."""

    def __init__(self, url: str) -> None:
        self.url = url.replace("postgresql+psycopg", "postgresql")
        self.at: tuple[str, str] | None = None

    def __call__(self, moment: str, name: str) -> None:
        if self.at == (moment, name):
            self.at = None
            with psycopg.connect(self.url, autocommit=True) as connection:
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("name", ["ask", "send", "settle", "tell"])
def test_a_transaction_whose_connection_broke_is_done_again_and_counts_once(
    postgres_archive: str, moment: str, name: str
) -> None:
    cut = Cut(postgres_archive)
    with Archive.open(postgres_archive, on_commit=cut) as archive:
        run = new_run(archive)
        with archive.write(run) as journal:
            cut.at = moment, name
            journal.ask([STEP])
            journal.send(ANSWER)
            journal.settle(replace(ANSWER, state="received", usd=0.25))
            journal.tell(replace(STEP, told_seq=0, status=Status.OK), elites={}, seconds=1)
            journal.finish("steps", 2)
            assert cut.at is None
            assert (journal.run.told, journal.run.usd, journal.run.reserved_usd) == (1, 0.25, 0.0)
            assert archive.writer(run) is not None
        assert [step.n for step in queries.told_steps(archive, run.id)] == [0]


def test_a_server_that_stays_away_ends_the_run_with_what_to_do(
    postgres_archive: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("archive.journal.RECONNECT_S", 0.0)
    cut = Cut(postgres_archive)
    with Archive.open(postgres_archive, on_commit=cut) as archive:
        journal = archive.write(new_run(archive))

        def refuse(*args: Any, **kwargs: Any) -> None:
            raise psycopg.OperationalError("connection refused")

        monkeypatch.setattr(archive.database.engine.dialect, "connect", refuse)
        cut.at = "before", "ask"
        monkeypatch.setattr(archive.database.engine.pool, "_pre_ping", False)
        with pytest.raises(ConnectionLost, match=r"start the server, then `evolve resume`"):
            journal.ask([STEP])
        journal.close()


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
