"""How many connections a run and a watcher take of a PostgreSQL server, as docs/clusters.md says."""

import re
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

ROOT = Path(__file__).resolve().parents[2]
TOY = ROOT / "tests/tasks/toy"
PATIENCE_S = 600
OURS = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'evolve %'"


@pytest.mark.postgres
def test_a_run_takes_no_more_connections_than_the_page_says(postgres_archive, tmp_path):
    page = (ROOT / "docs/clusters.md").read_text(encoding="utf-8")
    (said,) = re.findall(r"A run takes (\d+) connections at most", page)
    command = [sys.executable, "-m", "evolve", "run", TOY, "--steps", 60, "--workers", 2]
    run = subprocess.Popen(
        [*map(str, command), "--archive", postgres_archive, "--set", "grade_ms=0"],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    most, deadline = 0, time.monotonic() + PATIENCE_S
    plain = postgres_archive.replace("postgresql+psycopg", "postgresql")
    try:
        with psycopg.connect(plain, autocommit=True, application_name="counts") as connection:
            while run.poll() is None and time.monotonic() < deadline:
                most = max(most, connection.execute(OURS).fetchone()[0])
    finally:
        run.kill()
        run.wait()
    print("connections:", most)
    assert 1 <= most <= int(said)
