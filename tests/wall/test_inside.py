"""What a candidate sees and may do: its libraries, and nothing else of the machine."""

import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import rich

from sandbox import Job, Limits, Sandbox
from sandbox.levels import available

WALLS = [level for level in ("landlock", "strict") if available(level).available]
PATIENCE_S = 600  # for a loaded machine
LIMITS = Limits(wall_s=60, cpu_s=10, memory_mb=512, file_mb=1)
NOT_PRELOADED = rich.__file__
NUMPYS = np.__file__
at_level_strict = pytest.mark.parametrize(
    "box", [level for level in WALLS if level == "strict"], indirect=True
)

# Gives the name of the error with which each attempt fails; "done" where it does not.
ATTEMPTS = """
import os, socket, sys
def names(**attempts):
    found = {}
    for name, attempt in attempts.items():
        try: attempt()
        except Exception as error: found[name] = type(error).__name__
        else: found[name] = "done"
    return found
"""


@pytest.fixture(scope="module", params=WALLS)
def box(request, tmp_path_factory):
    secret = tmp_path_factory.mktemp("outside") / "secret"
    secret.write_text("secret")
    secret.chmod(0o644)
    inputs = {
        "none": {},
        "places": {"secret": str(secret), "other": NOT_PRELOADED, "numpys": NUMPYS},
    }
    with Sandbox.open(level=request.param, inputs=inputs, limits=LIMITS) as box:
        yield box


def value(box, source, input="none"):
    outcome = box.run(Job(source, "main", input))
    assert outcome.status == "ok", outcome
    return outcome.value


def test_only_what_is_preloaded_can_be_read(box):
    source = (
        ATTEMPTS
        + """
def main(secret, other, numpys):
    open(numpys).close()
    return names(
        secret=lambda: open(secret), other=lambda: open(other),
        users=lambda: open("/etc/passwd"), module=lambda: __import__("rich"),
        environment=lambda: open("/proc/self/environ"), shadow=lambda: open("/etc/shadow"),
    )
"""
    )
    found = value(box, source, "places")
    allowed = {"PermissionError", "FileNotFoundError", "ModuleNotFoundError"}
    assert set(found.values()) <= allowed, found
    if box.level == "strict":
        assert "PermissionError" not in found.values(), "it is not even there"


def test_what_can_be_read_cannot_be_changed(box):
    before = Path(NUMPYS).stat()
    source = (
        ATTEMPTS
        + """
def main(secret, other, numpys):
    return names(
        append=lambda: open(numpys, "a"), truncate=lambda: os.truncate(numpys, 0),
        chmod=lambda: os.chmod(numpys, 0o777), chown=lambda: os.chown(numpys, 1000, 1000),
        utime=lambda: os.utime(numpys), setxattr=lambda: os.setxattr(numpys, "user.a", b"a"),
        unlink=lambda: os.unlink(numpys), rename=lambda: os.rename(numpys, numpys + "x"),
        link=lambda: os.link(numpys, "x"), beside=lambda: open(numpys + "x", "w"),
    )
"""
    )
    found = value(box, source, "places")
    assert "done" not in found.values(), found
    after = Path(NUMPYS).stat()
    assert (after.st_mode, after.st_uid, after.st_mtime, after.st_ctime) == (
        before.st_mode,
        before.st_uid,
        before.st_mtime,
        before.st_ctime,
    )


def test_the_standard_library_and_all_of_a_preloaded_package_can_be_imported(box):
    source = """
def main():
    import csv, decimal, json, sqlite3, statistics, xml.etree.ElementTree
    import numpy.polynomial.chebyshev as chebyshev
    return float(chebyshev.chebval(0.5, [1.0, 2.0]))
"""
    assert value(box, source) == 2.0


def test_no_descriptor_is_open_but_its_own(box):
    source = """
import os, stat
def main():
    kinds = {}
    for fd in range(1024):
        try: mode = os.fstat(fd).st_mode
        except OSError: continue
        kinds[str(fd)] = "pipe" if stat.S_ISFIFO(mode) else "device" if stat.S_ISCHR(mode) else "?"
    return kinds
"""
    assert value(box, source) == {"0": "device", "1": "pipe", "2": "pipe", "3": "pipe"}


def test_no_variable_of_ours_is_in_the_environment(box, monkeypatch):
    monkeypatch.setenv("SANDBOX_TEST_KEY", "sk-test")
    allowed = {"HOME", "TMPDIR", "LANG", "PYTHONHASHSEED", "LD_LIBRARY_PATH"}
    with Sandbox.open(level=box.level, inputs={"none": {}}) as other:
        variables = value(other, "import os\ndef main(): return dict(os.environ)")
    assert {name for name in variables if not name.endswith("_NUM_THREADS")} <= allowed


def test_it_holds_no_capability_and_cannot_gain_any(box):
    """Seen from outside, while it runs."""
    status = status_while_running(box)
    for kind in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        assert int(status[kind], 16) == 0, kind
    assert status["NoNewPrivs"] == "1"
    assert status["Seccomp"] == "2"  # a filter


@at_level_strict
def test_at_level_strict_it_is_nobody_outside_and_an_ordinary_user_inside(box):
    status = status_while_running(box)
    outside = {int(number) for number in status["Uid"].split()}
    assert len(outside) == 1
    assert outside != {0}
    assert outside == {os.getuid()} or os.getuid() == 0
    inside = value(box, "import os\ndef main(): return [*os.getresuid(), *os.getresgid()]")
    assert set(inside) == {1000}


@at_level_strict
def test_at_level_strict_nothing_of_the_machine_can_be_named(box):
    source = """
import os
def main(secret, other, numpys):
    paths = ("/proc", "/sys", "/home", "/etc/passwd", secret, other)
    there = [path for path in paths if os.path.exists(path)]
    return there, os.getpid(), os.getppid(), os.uname().nodename
"""
    assert value(box, source, "places") == [[], 1, 0, "sandbox"]


def status_while_running(box):
    """Give /proc/PID/status of a candidate, read from outside while it runs."""
    pid, found = box._process.popen.pid, {}

    def look():
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end and found.get("Seccomp") != "2":
            for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
                lines = Path(f"/proc/{child}/status").read_text().splitlines()
                found.update(line.split(":\t", 1) for line in lines)

    looker = threading.Thread(target=look)
    looker.start()
    value(box, "import time\ndef main(): time.sleep(0.3)")
    looker.join()
    return found
