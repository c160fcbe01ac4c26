"""Which level is used, and what is said when one cannot be had."""

import errno
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from sandbox import LEVELS, Limits, Sandbox, SandboxError, probe
from sandbox import levels as levels_module
from sandbox.levels import Availability, choose, survey
from sandbox.linux import landlock, process

ROOT = Path(levels_module.__file__).parents[1]


@pytest.fixture
def machine(monkeypatch):
    """Give a function that makes this a machine with only some levels."""

    def has(*names):
        found = {name: Availability(name in names, f"no {name} here") for name in LEVELS}
        monkeypatch.setattr(levels_module, "available", found.__getitem__)

    return has


def test_auto_takes_the_strongest_level_that_this_machine_has(machine):
    machine("weak", "landlock")
    assert choose("auto") == "landlock"
    machine("weak", "container", "landlock", "strict")
    assert choose("auto") == "strict"


def test_auto_never_takes_what_is_weaker_than_landlock_unless_it_was_asked_to(machine):
    machine("weak", "container")
    with pytest.raises(
        SandboxError,
        match=r"no level of at least landlock is available on this machine \(landlock: no landlock "
        r"here; strict: no strict here\); --min-level container if you trust the programs",
    ):
        choose("auto")
    assert choose("auto", "weak") == "container"
    machine("weak")
    assert choose("auto", "weak") == "weak"


def test_a_level_that_is_named_is_taken_whatever_else_there_is(machine):
    machine("weak", "landlock", "strict")
    assert [choose(name) for name in ("weak", "landlock", "strict")] == [
        "weak",
        "landlock",
        "strict",
    ]


def test_a_level_below_the_lowest_allowed_one_is_refused(machine):
    machine("weak", "landlock")
    with pytest.raises(SandboxError, match="level weak is below min_level landlock"):
        choose("weak", "landlock")


def test_a_probe_that_hangs_is_no_level_and_leaves_nothing(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(levels_module, "_PROBE_S", 0.3)
    sleep = [sys.executable, "-c", "import time; time.sleep(300)"]
    monkeypatch.setattr(levels_module.start, "command", lambda *_: sleep)
    assert levels_module._probe("landlock") == (False, "the probe did not end within 0.3 s")
    assert list(tmp_path.iterdir()) == []


def test_a_probe_that_finds_a_hole_or_dies_is_no_level(monkeypatch):
    says = [sys.executable, "-c", "print('sockets can be made')"]
    monkeypatch.setattr(levels_module.start, "command", lambda *_: says)
    assert levels_module._probe("landlock") == (False, "sockets can be made")
    dies = [sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"]
    monkeypatch.setattr(levels_module.start, "command", lambda *_: dies)
    assert levels_module._probe("landlock") == (False, "the probe ended with -9")


def test_the_probe_finds_the_hole_where_a_wall_does_nothing():
    program = (
        "from sandbox import probe; from sandbox.walls.weak import Weak\n"
        "probe.wall = lambda _: Weak(); probe.main('landlock')"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "sockets can be made"


def test_without_landlock_the_reason_says_what_to_change(monkeypatch):
    monkeypatch.setattr(landlock, "abi", lambda: 0)
    refused = OSError(errno.EOPNOTSUPP, "syscall: Operation not supported")
    for level in ("landlock", "strict"):
        assert "boot option `lsm=`" in probe._why_not(level, refused)


@pytest.mark.parametrize(
    ("settings", "number", "said"),
    [
        ({"user/max_user_namespaces": "0"}, errno.ENOSPC, "user.max_user_namespaces is 0: `sysctl"),
        (
            {"kernel/unprivileged_userns_clone": "0"},
            errno.EPERM,
            "kernel.unprivileged_userns_clone is 0: `sysctl",
        ),
        (
            {"kernel/apparmor_restrict_unprivileged_userns": "1"},
            errno.EACCES,
            "kernel.apparmor_restrict_unprivileged_userns is 1: `sysctl",
        ),
        ({"user/max_user_namespaces": "96000"}, errno.EPERM, "in a container, its profile"),
        ({}, errno.ENOSYS, "needs Linux 5.12 or later"),
    ],
)
def test_where_namespaces_are_forbidden_the_reason_says_by_what(
    monkeypatch, settings, number, said
):
    monkeypatch.setattr(process, "setting", settings.get)
    monkeypatch.setattr(landlock, "abi", lambda: 1)
    error = OSError(number, f"unshare: {os.strerror(number)}")
    reason = probe._why_not("strict", error)
    assert reason.startswith(f"[Errno {number}] unshare: ")
    assert said in reason


def test_every_level_is_either_available_or_says_why_not():
    assert list(survey()) == list(LEVELS)
    for level, (available, reason) in survey().items():
        assert available == (reason == ""), level


def test_a_level_that_is_not_available_is_refused_with_its_reason():
    missing = [level for level, found in survey().items() if not found.available]
    for level in missing:
        with pytest.raises(SandboxError, match=re.escape(survey()[level].reason)):
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
    found = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "False"
