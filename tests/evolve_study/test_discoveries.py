"""What is shown as discovered still decides as it did when it was found."""

import subprocess
import sys
from pathlib import Path

import pytest

DISCOVERIES = Path(__file__).resolve().parents[2] / "docs" / "discoveries"
PACKAGES = sorted(path.parent for path in DISCOVERIES.glob("*/test_exported.py"))


def test_there_are_discoveries():
    assert PACKAGES


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)
def test_a_discovery_replays_its_probes(package):
    command = [sys.executable, "-B", str(package / "test_exported.py")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "decides as it did" in done.stdout


def test_every_discovery_is_told_of_in_words():
    page = (DISCOVERIES / "README.md").read_text(encoding="utf-8")
    for package in PACKAGES:
        assert f"## {package.name}" in page
        assert any(module.stem in page for module in package.glob("program_*.py"))
