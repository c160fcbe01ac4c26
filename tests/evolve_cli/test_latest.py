"""Which run a command means that is told none."""

from pathlib import Path

from archive.store import Archive
from evolve import load_task, open_run
from evolve.cli.searching import _latest_search

TOY = Path(__file__).resolve().parents[1] / "tasks" / "toy"


def test_a_run_that_failed_before_it_told_anything_is_not_the_one_to_go_on_with(tmp_path):
    with Archive.open(tmp_path / "evolve.db") as archive:
        open_run(load_task(TOY), archive=archive).close("failed", "its file could not be read")
        assert _latest_search(archive).name == "toy-1"  # better than none: it says why
        open_run(load_task(TOY), archive=archive).close("interrupted")
        open_run(load_task(TOY), archive=archive).close("failed", "its file could not be read")
        assert _latest_search(archive).name == archive.run().name == "toy-2"
