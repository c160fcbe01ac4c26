"""Stories of a password in the archive's URL: it is warned of, and printed by no command."""

import subprocess
import sys
from pathlib import Path

import pytest

from archive.errors import Misnamed
from archive.passwords import has_password, hidden_password, without_password
from archive.store import Archive

TOY = Path(__file__).resolve().parents[1] / "tasks/toy"
SECRET = "hunter-2f"
WARNING = "warning: --archive carries a password"


def with_password(url):
    """Write a password into the URL of a server that asks for none."""
    user, at, rest = url.removeprefix("postgresql+psycopg://").partition("@")
    return f"postgresql+psycopg://{user}:{SECRET}{at}{rest}"


@pytest.mark.postgres
def test_a_password_on_the_command_line_is_warned_of_and_never_printed(evolve, postgres_archive):
    place = with_password(postgres_archive)
    done = evolve("run", TOY, "--archive", place, "--steps", 6, "--set", "grade_ms=0")
    assert WARNING in done.stderr
    assert "EVOLVE_ARCHIVE" in done.stderr
    assert "PGPASSFILE" in done.stderr
    assert SECRET not in done.stdout + done.stderr
    # The hints name the same archive, and work where the password is known from elsewhere.
    assert f"evolve resume toy-1 --steps 12 --archive '{postgres_archive}'" in done.stdout
    for again in (["status"], ["runs"], ["resume", "toy-1", "--steps", 7]):
        said = evolve(*again, "--archive", place)
        assert WARNING in said.stderr
        assert SECRET not in said.stdout + said.stderr


@pytest.mark.postgres
def test_a_password_in_the_environment_is_where_it_should_be(evolve, postgres_archive):
    Archive.open(postgres_archive).close()
    done = subprocess.run(
        [sys.executable, "-m", "evolve", "runs"],
        env=evolve.environment() | {"EVOLVE_ARCHIVE": with_password(postgres_archive)},
        cwd=evolve.folder,
        capture_output=True,
        text=True,
        timeout=600,
        check=True,
    )
    assert done.stderr == ""
    assert SECRET not in done.stdout


@pytest.mark.parametrize(
    "place",
    [
        f"postgresql+psycopg://me:{SECRET}@127.0.0.1:1/runs",  # nobody listens
        f"postgresql://me@127.0.0.1:1/runs?password={SECRET}&connect_timeout=2",
        f"postgresql://me:a@{SECRET}@127.0.0.1:1/runs",  # an @ that is not escaped
        f"postgresql://me:{SECRET}@127.0.0.1:port/runs",
        f"mysql://me:{SECRET}@127.0.0.1/runs",
    ],
)
def test_no_message_of_an_archive_out_of_reach_shows_its_password(looking, place):
    code = 1 if ":1/" in place and "a@" not in place else 2
    said = looking("runs", "--archive", place, expect=code)
    assert WARNING in said.stderr
    assert "127.0.0.1" in said.stderr
    assert SECRET not in said.stdout + said.stderr


@pytest.mark.parametrize(
    ("place", "bare", "shown"),
    [
        ("evolve.db", "evolve.db", "evolve.db"),
        ("a:b@c.db", "a:b@c.db", "a:b@c.db"),
        ("sqlite:///x.db", "sqlite:///x.db", "sqlite:///x.db"),
        ("postgresql://me@h:5432/n", "postgresql://me@h:5432/n", "postgresql://me@h:5432/n"),
        ("postgresql://me:p@h:5432/n", "postgresql://me@h:5432/n", "postgresql://me:***@h:5432/n"),
        ("postgresql://me:a/b#c?d@h/n", "postgresql://me@h/n", "postgresql://me:***@h/n"),
        ("postgresql://h/n?password=p", "postgresql://h/n", "postgresql://h/n?password=***"),
        (
            "postgresql://@/n?Password=p&host=/run",
            "postgresql://@/n?host=/run",
            "postgresql://@/n?Password=***&host=/run",
        ),
    ],
)
def test_passwords_are_found_wherever_a_url_can_hold_one(place, bare, shown):
    assert without_password(place) == bare
    assert hidden_password(place) == shown
    assert has_password(place) == (place != bare)


def test_an_unescaped_at_sign_is_explained():
    with pytest.raises(Misnamed, match="%40"):
        Archive.open("postgresql://me:a@b@host/runs")
