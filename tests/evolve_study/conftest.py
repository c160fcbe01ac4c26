"""A short search on a copy of the toy task, made once for the stories of this folder."""

import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

from archive.store import Archive
from evolve import RunLimits, load_task, open_run, search

TASKS = Path(__file__).resolve().parent.parent / "tasks"


class Searched(NamedTuple):
    """folder: of the task's copy. place: of the archive that holds one finished run."""

    folder: Path
    place: Path


@pytest.fixture(scope="session")
def searched_once(tmp_path_factory):
    home = tmp_path_factory.mktemp("searched")
    folder = toy_copy(home)
    with Archive.open(home / "evolve.db") as archive:
        run = open_run(
            load_task(folder), archive=archive, rng_seed=3, limits=RunLimits(steps=16), name="first"
        )
        assert search(run, workers=2) == "steps"
    return Searched(folder, home / "evolve.db")


@pytest.fixture
def searched(searched_once, tmp_path):
    """Give each story an archive of its own, since looks are recorded in it."""
    shutil.copy(searched_once.place, tmp_path / "evolve.db")
    return Searched(searched_once.folder, tmp_path / "evolve.db")


@pytest.fixture
def toy(tmp_path):
    return toy_copy(tmp_path)


def toy_copy(home):
    return Path(
        shutil.copytree(TASKS / "toy", home / "toy", ignore=shutil.ignore_patterns("__pycache__"))
    )
