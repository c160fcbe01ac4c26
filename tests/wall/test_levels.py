"""Which level is used, and what is said when one cannot be had."""

import subprocess
import sys

import pytest

from sandbox import LEVELS, Limits, Sandbox, SandboxError
from sandbox import levels as levels_module
from sandbox.levels import Availability, choose, survey


def test_auto_takes_the_strongest_level_that_this_machine_has(monkeypatch):
    here = {level: Availability(level in ("weak", "landlock"), "no") for level in LEVELS}
    monkeypatch.setattr(levels_module, "survey", lambda: here)
    assert choose("auto", "weak") == "landlock"
    assert choose("weak", "weak") == "weak"


def test_a_level_below_the_lowest_allowed_one_is_refused():
    with pytest.raises(SandboxError, match="level weak is below min_level landlock"):
        choose("weak", "landlock")


def test_auto_refuses_when_nothing_here_is_strong_enough(monkeypatch):
    here = {level: Availability(level == "weak", "needs a kernel") for level in LEVELS}
    monkeypatch.setattr(levels_module, "survey", lambda: here)
    with pytest.raises(SandboxError, match="no level of at least landlock is available"):
        choose("auto", "landlock")


def test_every_level_is_either_available_or_says_why_not():
    assert list(survey()) == list(LEVELS)
    for level, (available, reason) in survey().items():
        assert available == (reason == ""), level


def test_a_level_that_is_not_available_is_refused_with_its_reason():
    missing = [level for level, found in survey().items() if not found.available]
    for level in missing:
        with pytest.raises(SandboxError, match=f"level {level}: {survey()[level].reason}"):
            Sandbox.open(level=level)


def test_an_unknown_level_is_refused_with_the_known_ones():
    with pytest.raises(SandboxError, match="'stone' is unknown: choose one of weak, container"):
        Sandbox.open(level="stone")


@pytest.mark.parametrize("wrong", [{"wall_s": 0}, {"memory_mb": 0}, {"file_mb": -1}, {"tasks": 0}])
def test_a_limit_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValueError, match="must be at least"):
        Limits(**wrong)


def test_importing_the_package_loads_no_numpy():
    program = "import sys, sandbox; print('numpy' in sys.modules)"
    root = levels_module.__file__.rpartition("/sandbox/")[0]
    found = subprocess.run(
        [sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "False"
