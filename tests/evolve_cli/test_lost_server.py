"""A PostgreSQL that stays away ends a run with what to do; once it is back the run goes on."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from archive.errors import ConnectionLost
from archive.store import Archive
from evolve.opening import resume_run

pytestmark = [pytest.mark.postgres, pytest.mark.slow]

TOY = Path(__file__).resolve().parents[1] / "tasks/toy"
STEPS = 30
PATIENCE_S = 600
# The command line, for which a server is gone for good after a second.
IMPATIENT = "import archive.database as d; d.RECONNECT_S = 1; from evolve.cli import main; main()"


def test_a_run_whose_server_stays_away_ends_with_what_to_do_and_goes_on_later(
    evolve, postgres_server, monkeypatch
):
    url = postgres_server.url
    run = [sys.executable, "-c", IMPATIENT, "run", TOY, "--archive", url]
    command = [*map(str, run), "--steps", str(STEPS), "--set", "grade_ms=200"]
    where = {"cwd": evolve.folder, "env": evolve.environment()}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, **where) as search:
        wait_for_told(search, url, 3)
        postgres_server.stop()
        _, said = search.communicate(timeout=PATIENCE_S)
    assert search.returncode == 1
    assert "start the server, then `evolve resume`" in said
    assert "told steps are kept; `evolve resume toy-1" in said
    assert "Traceback" not in said

    postgres_server.start()

    def stop_when_opened(moment, name):
        if (moment, name) == ("after", "open"):
            postgres_server.stop()

    monkeypatch.setattr("archive.database.RECONNECT_S", 0.0)
    with (
        Archive.open(url, on_commit=stop_when_opened) as archive,
        pytest.raises(ConnectionLost, match="start the server"),
    ):
        resume_run(archive.run(), archive=archive)

    postgres_server.start()
    evolve("resume", "--archive", url)
    with Archive.open(url) as archive:
        assert (archive.run().told, archive.run().stop_reason) == (STEPS, "steps")


def wait_for_told(search, url, number):
    deadline = time.monotonic() + PATIENCE_S
    while True:
        with Archive.open(url) as archive:
            if archive.runs() and archive.run().told >= number:
                return
        assert search.poll() is None, "it ended before"
        assert time.monotonic() < deadline, "it never told"
        time.sleep(0.05)
