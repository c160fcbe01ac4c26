"""An archive that a disk or a person has damaged is told as such, with what to do; nothing is made worse."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from archive import queries
from archive.errors import ArchiveError
from archive.records import Kind, Status, Step, TaskRecord
from archive.store import Archive

STEPS = 300
PAGE = 4096


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """An archive with one run of some hundred told steps, all of it in one file."""
    place = tmp_path / "evolve.db"
    with Archive.open(place) as archive:
        record = archive.create_run(
            task=TaskRecord("digest", "toy"),
            world="here",
            settings={},
            rng_seed=1,
            lookahead=16,
            order="step",
            limits={"steps": STEPS},
            started="2026-01-01T00:00:00+00:00",
        )
        with archive.write(record) as journal:
            for n in range(STEPS):
                step = Step(n, n, Kind.SEARCH, "perturb")
                journal.ask([step])
                source = f"def f():\n    return {n}\n" * 20
                journal.written(n, source=source, program=f"{n:032x}", nodes=3)
                told = Step(**{**_fields(step), "status": Status.INVALID, "told_seq": n})
                journal.tell(told, elites={}, seconds=1.0)
    return place


def _fields(step: Step) -> dict[str, object]:
    return {name: getattr(step, name) for name in Step.__slots__}


def test_pages_that_were_overwritten_are_told_and_the_file_is_left_alone(place: Path) -> None:
    content = bytearray(place.read_bytes())
    draw = random.Random("damage")
    for page in range(2, len(content) // PAGE, 3):
        content[page * PAGE : page * PAGE + 512] = draw.randbytes(512)
    place.write_bytes(content)
    with pytest.raises(ArchiveError, match=r"damaged: `sqlite3 FILE .recover`"):
        read_all(place)
    assert place.read_bytes() == bytes(content)


def test_damage_that_the_database_cannot_quote_is_told(place: Path) -> None:
    content = bytearray(place.read_bytes())
    for page in range(len(content) // PAGE):  # what it says of the schema is no UTF-8 then
        content[page * PAGE + 3000 : page * PAGE + 3200] = b"\x99" * 200
    place.write_bytes(content)
    with pytest.raises(ArchiveError, match=r"damaged: `sqlite3 FILE .recover`|damaged there"):
        read_all(place)


def test_a_file_that_was_cut_off_is_told(place: Path) -> None:
    content = place.read_bytes()
    place.write_bytes(content[: len(content) // 2])
    with pytest.raises(ArchiveError, match="damaged"):
        read_all(place)


def read_all(place: Path) -> None:
    with Archive.open(place, create=False) as archive:
        list(queries.told_steps(archive, archive.run().id))


def test_a_file_of_something_else_is_told(tmp_path: Path) -> None:
    place = tmp_path / "evolve.db"
    place.write_bytes(random.Random("noise").randbytes(3 * PAGE))
    with pytest.raises(ArchiveError, match="no archive"):
        Archive.open(place)
