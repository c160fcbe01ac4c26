"""A PostgreSQL server that goes away in mid-run: the transaction is done again, and once."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from own_postgres import PostgresServer

from archive import queries
from archive.database import RECONNECT_EVERY_S
from archive.errors import ConnectionLost
from archive.records import Answer, Evaluation, Kind, Status, Step, TaskRecord
from archive.store import Archive

pytestmark = pytest.mark.postgres

STEP = Step(0, 0, Kind.SEARCH, "perturb")
EVALUATION = Evaluation("digest", "py3.11", "train", 0, "p0", Status.OK, "d0", fitness=0.5, n=4)
NAMES = ["ask", "send", "settle", "written", "ran", "evaluated", "tell", "finish"]
MOMENTS = ["before", "after", "unanswered"]
ANSWER = Answer(0, 0, "model", "r0", {}, "sent", reserved_usd=0.5)


class Cut:
    """Ends all other sessions of a database just before or after a chosen commit.

    at: ("before" | "after" | "unanswered", name). Unanswered is a commit that was done, though
    who asked for it only knows that the connection broke.
    """

    def __init__(self, url: str) -> None:
        self.url = url.replace("postgresql+psycopg", "postgresql")
        self.at: tuple[str, str] | None = None

    def __call__(self, moment: str, name: str) -> None:
        unanswered = moment == "after" and self.at == ("unanswered", name)
        if unanswered or self.at == (moment, name):
            self.at = None
            self.now()
            if unanswered:
                raise ConnectionLost("the server closed the connection unexpectedly")

    def now(self) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("name", NAMES)
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
            journal.written(0, source="pass", program="p0", nodes=1)
            journal.ran(0, {"wall_s": 1.0}, outputs_digest="d0")
            standing = journal.evaluated(0, EVALUATION, graded=1)
            journal.tell(replace(STEP, told_seq=0, status=Status.OK), elites={}, seconds=1)
            journal.finish("failed", 2, "the reason")
            assert cut.at is None
            journal.note(0, "the last")
            assert archive.writer(run) is not None
        after = archive.run()
        assert (after.told, after.usd, after.reserved_usd, after.gradings) == (1, 0.25, 0.0, 1)
        assert (after.stop_reason, after.seconds) == ("failed", 2)
        assert queries.why_failed(archive) == {run.id: "the reason"}
        (step,) = queries.told_steps(archive, run.id)
        assert (step.source, step.program, step.ran) == ("pass", "p0", {"wall_s": 1.0})
        assert (step.outputs_digest, step.evaluation) == ("d0", standing.id)
        assert list(queries.evaluations(archive, run.id).values()) == [standing]


@pytest.mark.parametrize("moment", MOMENTS)
def test_what_no_step_points_at_is_graded_and_counted_once_too(
    postgres_archive: str, moment: str
) -> None:
    cut = Cut(postgres_archive)
    with Archive.open(postgres_archive, on_commit=cut) as archive:
        with archive.write(new_run(archive)) as journal:
            cut.at = moment, "evaluated"
            journal.evaluated(None, EVALUATION, graded=2)
            journal.evaluated(None, EVALUATION, graded=2)
            assert cut.at is None
        assert archive.run().gradings == 2


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("name", ["mine", None])
def test_a_run_is_made_once_though_the_connection_breaks_while_it_is_made_and_opened(
    postgres_archive: str, moment: str, name: str | None
) -> None:
    cut = Cut(postgres_archive)
    with Archive.open(postgres_archive, on_commit=cut) as archive:
        cut.at = moment, "create_run"
        run = new_run(archive, name)
        assert cut.at is None
        assert [each.name for each in archive.runs()] == [run.name] == [name or "toy-1"]
        cut.at = moment, "open"
        with archive.write(run) as journal:
            assert cut.at is None
            journal.ask([STEP])
        assert archive.run().epoch == (2 if moment == "unanswered" else 1)
        assert new_run(archive).name != run.name


def test_a_run_is_made_and_opened_while_the_server_is_being_restarted(
    postgres_server: PostgresServer,
) -> None:
    with Archive.open(postgres_server.url) as archive:
        run = while_it_restarts(postgres_server, lambda: new_run(archive))
        with while_it_restarts(postgres_server, lambda: archive.write(run)) as journal:
            journal.ask([STEP])
        assert [each.id for each in archive.runs()] == [run.id]


def while_it_restarts(server: PostgresServer, deed: Callable[[], Any]) -> Any:
    """Stop a server and begin a deed; start the server when the deed has found it gone."""
    server.stop()
    with ThreadPoolExecutor(1) as alone:
        done = alone.submit(deed)
        time.sleep(2 * RECONNECT_EVERY_S)
        assert not done.done(), done.exception()
        server.start()
        return done.result()


def test_a_writer_that_gave_up_writes_again_once_the_server_is_back(
    postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("archive.database.RECONNECT_S", 0.0)
    with Archive.open(postgres_server.url) as archive:
        with archive.write(new_run(archive)) as journal:
            postgres_server.stop()
            with pytest.raises(ConnectionLost):
                journal.ask([STEP])
            postgres_server.start()
            journal.finish("failed", 1)
        assert archive.run().stop_reason == "failed"
        assert archive.writer(archive.run()) is None


def test_a_server_that_stays_away_ends_the_run_with_what_to_do(
    postgres_archive: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("archive.database.RECONNECT_S", 0.0)
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
        with pytest.raises(ConnectionLost, match=r"start the server, then `evolve resume`"):
            journal.finish("failed", 1)
        journal.close()


def test_a_forked_child_keeps_the_files_that_took_a_lost_connections_number(
    postgres_archive: str, tmp_path: Path
) -> None:
    with Archive.open(postgres_archive) as archive, ExitStack() as opened:
        journal = archive.write(new_run(archive))
        Cut(postgres_archive).now()
        journal.close()
        names = [tmp_path / str(number) for number in range(32)]
        files = [opened.enter_context(name.open("wb", buffering=0)) for name in names]
        if (child := os.fork()) == 0:
            for file in files:
                file.write(b"whole")
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert [name.read_bytes() for name in names] == [b"whole"] * len(names)


def test_a_run_whose_server_went_away_is_let_go_and_hides_no_error(postgres_archive: str) -> None:
    def fail() -> None:
        Cut(postgres_archive).now()
        raise KeyError("the real one")

    with Archive.open(postgres_archive) as archive:
        run = new_run(archive)
        with pytest.raises(KeyError, match="the real one"), archive.write(run) as journal:
            fail()
        assert archive.writer(run) is None
        assert archive.database.engine.pool.checkedout() == 0
        journal.close()
        archive.write(run).close()


def new_run(archive: Archive, name: str | None = None) -> Any:
    return archive.create_run(
        task=TaskRecord("digest", "toy"),
        world="py3.11",
        settings={},
        rng_seed=0,
        lookahead=16,
        order="step",
        limits={},
        started="2026-01-01",
        name=name,
    )
