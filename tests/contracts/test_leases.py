"""The laws of leases, on SQLite and PostgreSQL alike: who holds a key, and for how long."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, event, func, select

from archive import schema
from archive.journal import Journal
from archive.leases import Leases
from archive.records import RunRecord, TaskRecord
from archive.store import Archive

# Longer than any test: what is free sooner is free for another reason.
LONG_S = 3600.0

# Waiting for another process to do something it certainly does.
PATIENCE_S = 600

HAMMERING_PROCESSES = 8
HAMMERED_KEYS = 5
HOLDS = 12  # of each process


@pytest.fixture
def archive(archive_url: str) -> Iterator[Archive]:
    with Archive.open(archive_url) as archive:
        yield archive


@pytest.fixture
def writers(archive: Archive) -> Iterator[list[Journal]]:
    """Open two runs for writing."""
    with new_run(archive) as one, new_run(archive) as two:
        yield [one, two]


@pytest.fixture
def both(archive: Archive, writers: list[Journal]) -> list[Leases]:
    """Give the leases of two runs that are being written."""
    return [leases_of(archive, journal) for journal in writers]


def new_run(archive: Archive) -> Journal:
    record = archive.create_run(
        task=TaskRecord("task-digest", "toy"),
        world="py3.11",
        settings={},
        rng_seed=7,
        lookahead=16,
        order="step",
        limits={},
        started="2026-01-01T00:00:00+00:00",
    )
    return archive.write(record)


def leases_of(archive: Archive, journal: Journal) -> Leases:
    return Leases(archive.database, journal.run)


# -- one key ----------------------------------------------------------------------------------


def test_a_key_has_one_holder_until_it_is_released(both: list[Leases]) -> None:
    one, two = both
    assert one.take("key", LONG_S)
    assert not two.take("key", LONG_S)
    assert two.take("other", LONG_S)
    one.release("key")
    assert two.take("key", LONG_S)
    assert not one.take("key", LONG_S)


def test_what_has_run_out_is_taken_over_and_is_its_holders_no_more(both: list[Leases]) -> None:
    one, two = both
    assert one.take("key", 0)
    assert two.take("key", LONG_S)
    one.release("key")
    assert not one.take("key", LONG_S)
    two.release("key")
    assert one.take("key", LONG_S)


def test_taking_ones_own_again_makes_it_last(both: list[Leases]) -> None:
    one, two = both
    assert one.take("key", 0)
    assert one.take("key", LONG_S)
    assert not two.take("key", LONG_S)


def test_a_lease_runs_out_by_the_clock(both: list[Leases]) -> None:
    one, two = both
    assert one.take("key", 0.2)
    assert not two.take("key", LONG_S)
    wait_until(lambda: two.take("key", LONG_S))


def test_a_lease_is_as_alive_as_its_writer(archive: Archive, writers: list[Journal]) -> None:
    resting, other = writers
    assert leases_of(archive, resting).take("key", LONG_S)
    resting.close()
    assert leases_of(archive, other).take("key", LONG_S)


def test_a_run_that_is_opened_again_has_lost_what_it_held(
    archive: Archive, writers: list[Journal]
) -> None:
    resting, other = writers
    before = leases_of(archive, resting)
    assert before.take("mine", LONG_S)
    assert before.take("theirs", LONG_S)
    resting.close()
    with archive.write(resting.run) as again:
        after = leases_of(archive, again)
        assert leases_of(archive, other).take("theirs", LONG_S)
        assert after.take("mine", LONG_S)
        # The old writer, if it still moves, takes nothing from its successor.
        assert not before.take("mine", LONG_S)
        before.release("mine")
        assert not leases_of(archive, other).take("mine", LONG_S)


def test_a_run_that_is_opened_gives_back_what_it_held_and_nothing_else(
    archive: Archive, writers: list[Journal]
) -> None:
    resting, other = writers
    assert leases_of(archive, resting).take("old", LONG_S)
    assert leases_of(archive, other).take("theirs", LONG_S)
    resting.close()
    with archive.write(resting.run):
        assert keys(archive) == {"theirs"}


def test_of_two_that_take_over_from_a_dead_holder_one_gets_it(
    archive: Archive, writers: list[Journal], archive_url: str
) -> None:
    dead, alive = writers
    assert leases_of(archive, dead).take("key", LONG_S)
    dead.close()
    faster = leases_of(archive, alive)
    won = []

    def overtake(moment: str, name: str) -> None:
        """When the slower one has seen who holds the key, let the faster one take it."""
        if (moment, name) == ("after", "take") and not won:
            won.append(faster.take("key", LONG_S))

    with Archive.open(archive_url, on_commit=overtake) as own, new_run(own) as third:
        slower = leases_of(own, third)
        assert not slower.take("key", LONG_S)
    assert won == [True]
    assert faster.take("key", LONG_S)


# -- processes --------------------------------------------------------------------------------


def test_what_a_killed_process_held_is_free_at_once(archive: Archive, archive_url: str) -> None:
    said, says = os.pipe()

    def hold() -> None:
        with Archive.open(archive_url) as own, new_run(own) as journal:
            assert leases_of(own, journal).take("key", LONG_S)
            os.write(says, b"held")
            signal.pause()

    holder = fork(hold)
    try:
        assert os.read(said, 4) == b"held"
        with new_run(archive) as journal:
            leases = leases_of(archive, journal)
            assert not leases.take("key", LONG_S)
            os.kill(holder, signal.SIGKILL)
            wait_until(lambda: leases.take("key", LONG_S))
    finally:
        os.kill(holder, signal.SIGKILL)
        os.waitpid(holder, 0)
        os.close(said)
        os.close(says)


def test_of_many_processes_no_two_hold_a_key_at_once(
    archive: Archive, archive_url: str, tmp_path: Path
) -> None:
    def hammer(number: int) -> None:
        chance = random.Random(number)
        with Archive.open(archive_url) as own, new_run(own) as journal:
            leases = leases_of(own, journal)
            for _ in range(HOLDS):
                key = str(chance.randrange(HAMMERED_KEYS))
                wait_until(lambda key=key: leases.take(key, LONG_S))
                # Counted without a lock: two at once would lose a count.
                count = read_count(tmp_path / key)
                time.sleep(chance.random() * 0.004)
                (tmp_path / key).write_text(str(count + 1))
                leases.release(key)

    children = [fork(lambda number=number: hammer(number)) for number in range(HAMMERING_PROCESSES)]
    ended = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    assert ended == [0] * HAMMERING_PROCESSES
    counts = [read_count(tmp_path / str(key)) for key in range(HAMMERED_KEYS)]
    assert sum(counts) == HAMMERING_PROCESSES * HOLDS
    assert keys(archive) == set()


def read_count(path: Path) -> int:
    return int(path.read_text()) if path.exists() else 0


# -- the server -------------------------------------------------------------------------------


def test_a_server_that_breaks_the_connection_is_asked_again(
    archive: Archive, both: list[Leases]
) -> None:
    if archive.database.lock_file is not None:
        return  # nothing to break
    one, two = both
    break_next_commit(archive)
    assert one.take("key", LONG_S)
    assert not two.take("key", LONG_S)
    break_next_commit(archive)
    one.release("key")
    assert two.take("key", LONG_S)


def break_next_commit(archive: Archive) -> None:
    def break_it(connection: Connection) -> None:
        with archive.database.engine.connect() as other:
            pid = connection.connection.driver_connection.info.backend_pid
            other.execute(select(func.pg_terminate_backend(pid)))

    event.listen(archive.database.engine, "commit", break_it, once=True)


# -- any order --------------------------------------------------------------------------------

RUNS = st.integers(0, 2)
KEYS = st.sampled_from(["a", "b"])
DEEDS = st.one_of(
    st.tuples(st.just("take"), RUNS, KEYS, st.sampled_from([0.0, LONG_S])),
    st.tuples(st.just("release"), RUNS, KEYS),
    st.tuples(st.sampled_from(["open", "close"]), RUNS),
)


class Model:
    """Whom each key belongs to, told in a dictionary."""

    def __init__(self) -> None:
        self.held: dict[str, tuple[tuple[int, int], float]] = {}  # by (run, epoch), seconds
        self.alive: set[tuple[int, int]] = set()

    def take(self, writer: tuple[int, int], key: str, seconds: float) -> bool:
        holder, left = self.held.get(key, (writer, 0.0))
        if left > 0 and holder in self.alive and holder != writer:
            return False
        self.held[key] = writer, seconds
        return True

    def release(self, writer: tuple[int, int], key: str) -> None:
        if self.held.get(key, (None, 0))[0] == writer:
            del self.held[key]

    def release_all(self, writer: tuple[int, int]) -> None:
        self.held = {key: held for key, held in self.held.items() if held[0][0] != writer[0]}


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(deeds=st.lists(DEEDS, max_size=20))
def test_any_deeds_in_any_order_leave_each_key_with_the_holder_that_a_dictionary_says(
    archive: Archive, deeds: list[tuple]
) -> None:
    model = Model()
    with archive.database.engine.begin() as connection:
        connection.execute(schema.leases.delete())
    with ExitStack() as stack:
        journals = [stack.enter_context(new_run(archive)) for _ in range(3)]
        model.alive = {writer_of(journal.run) for journal in journals}
        for name, number, *rest in deeds:
            journal = journals[number]
            writer = writer_of(journal.run)
            if name == "close":
                journal.close()
                model.alive.discard(writer)
            elif name == "open":
                if writer not in model.alive:
                    journals[number] = stack.enter_context(archive.write(journal.run))
                    model.release_all(writer)
                    model.alive.add(writer_of(journals[number].run))
            elif writer in model.alive:
                expected = getattr(model, name)(writer, *rest)
                assert getattr(leases_of(archive, journal), name)(*rest) == expected
        assert keys(archive) == set(model.held)


def writer_of(run: RunRecord) -> tuple[int, int]:
    return run.id, run.epoch


def keys(archive: Archive) -> set[str]:
    with archive.database.reading() as connection:
        return set(connection.scalars(select(schema.leases.c.key)))


def wait_until(happens: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not happens():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.005)


def fork(child: Callable[[], None]) -> int:
    """Run `child` in a forked process, as abruptly ended as a kill; give its id."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            child()
            code = 0
        finally:
            os._exit(code)
    return pid
