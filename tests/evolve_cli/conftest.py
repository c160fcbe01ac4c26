"""A finished toy run to look at, and the command line as a process of its own."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest

from evolve.cli import main

ROOT = Path(__file__).resolve().parents[2]
TOY = ROOT / "tests/tasks/toy"
# No command of these tests takes longer, even on a machine that does much else.
PATIENCE_S = 600
STEPS = 24


@dataclass(frozen=True)
class CommandLine:
    """Runs `evolve` in a folder of its own, with the archive there."""

    folder: Path

    def __call__(self, *arguments, expect=0, **options):
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            **options,
        )
        assert done.returncode == expect, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done

    def json(self, *arguments):
        return json.loads(self(*arguments, "--json").stdout)

    def command(self, *arguments):
        return [sys.executable, "-m", "evolve", *map(str, arguments)]

    def environment(self):
        kept = {key: value for key, value in os.environ.items() if key != "EVOLVE_ARCHIVE"}
        return kept | {"PYTHONPATH": str(ROOT), "COLUMNS": "80"}


@pytest.fixture
def evolve(tmp_path):
    return CommandLine(tmp_path)


@dataclass(frozen=True)
class InThisProcess:
    """Calls the command line here: what need not be a process of its own costs no start."""

    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture

    def __call__(self, *arguments, expect=0):
        self.monkeypatch.setattr(sys, "argv", ["evolve", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        said = self.capsys.readouterr()
        assert (end.value.code or 0) == expect, said.out + said.err
        return SimpleNamespace(stdout=said.out, stderr=said.err)

    def json(self, *arguments):
        return json.loads(self(*arguments, "--json").stdout)


@pytest.fixture
def looking(archive_folder, monkeypatch, capsys):
    """Give the command line in this process, beside an archive with one finished run, `toy-1`."""
    monkeypatch.chdir(archive_folder)
    monkeypatch.delenv("EVOLVE_ARCHIVE", raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    return InThisProcess(monkeypatch, capsys)


@pytest.fixture(scope="session")
def archive_folder(tmp_path_factory):
    """Make a folder whose archive holds one finished run, `toy-1`."""
    folder = tmp_path_factory.mktemp("finished")
    CommandLine(folder)("run", TOY, "--steps", STEPS, "--set", "grade_ms=0")
    return folder
