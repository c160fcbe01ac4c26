"""Every limit at every level: what breaks it ends, and the reason says which, how much, and the bound."""

import re
from dataclasses import replace
from typing import NamedTuple

import pytest

from sandbox import Job, Limits, Sandbox
from sandbox.levels import available

# a wall limit that no slow machine meets
LIMITS = Limits(wall_s=60, cpu_s=0.3, memory_mb=64, tasks=2, file_mb=1, result_mb=1, output_kb=4)
FIGURE = r"[\d.]+(e\+\d+)?"


class Break(NamedTuple):
    """A program that breaks one limit. reason: a pattern."""

    status: str
    reason: str
    source: str


BREAKS = {
    "wall": Break(
        "timeout",
        rf"^wall_s: {FIGURE} s used, bound 0.3 s$",
        "import time\ndef main(): time.sleep(300)",
    ),
    "cpu": Break(
        "timeout",
        rf"^cpu_s: {FIGURE} s used, bound 0.3 s$",
        "def main():\n    while True: pass",
    ),
    "cpu of several": Break(
        "timeout",
        rf"^cpu_s: {FIGURE} s used, bound 0.3 s$",
        "import os\ndef main():\n    os.fork()\n    while True: pass",
    ),
    "memory, refused": Break(
        "over_limit",
        rf"^memory_mb: more refused, bound 64 MB; {FIGURE} MB resident at most",
        "def main(): return len(bytearray(200 << 20))",
    ),
    "memory, slowly": Break(
        "over_limit",  # whoever sees it first
        rf"^memory_mb: ({FIGURE} MB used|more refused), bound 64 MB",
        "def main():\n    kept = []\n    while len(kept) < 200: kept.append(bytearray(1 << 20))",
    ),
    "memory, seen by the watch": Break(
        "over_limit",
        rf"^memory_mb: {FIGURE} MB used, bound 64 MB$",
        # in two processes, each within its own bound
        "import os, time\ndef main():\n    os.fork()\n    kept = bytearray(45 << 20)\n    time.sleep(300)",
    ),
    "shared memory": Break(  # where there is a filter of calls, it is refused
        "over_limit",
        rf"^memory_mb: ({FIGURE} MB used|more refused), bound 64 MB",
        """
import mmap, time
def main():
    shared = mmap.mmap(-1, 160 << 20)
    for place in range(0, len(shared), 4096): shared[place] = 1
    time.sleep(300)
""",
    ),
    "tasks": Break(
        "over_limit",
        r"^tasks: (3 used|one more than 2 refused), bound 2",
        """
import threading, time
def main():
    for _ in range(2): threading.Thread(target=time.sleep, args=(300,)).start()
    time.sleep(300)
""",
    ),
    "file, refused": Break(
        "over_limit",
        r"^file_mb: more than 1 MB refused, bound 1 MB",
        "def main():\n    with open('f', 'wb', buffering=0) as file:\n"
        "        while True: file.write(bytes(1 << 16))",
    ),
    "file, by signal": Break(
        "over_limit",
        r"^file_mb: more than 1 MB refused, bound 1 MB",
        "import signal\ndef main():\n    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)\n"
        "    with open('f', 'wb', buffering=0) as file:\n"
        "        while True: file.write(bytes(1 << 16))",
    ),
    "output": Break(
        "over_limit",
        rf"^output_kb: {FIGURE} KB used, bound 4 KB$",
        "def main():\n    while True: print('x' * 99)",
    ),
    "output at the end": Break(
        "over_limit", rf"^output_kb: {FIGURE} KB used, bound 4 KB$", "def main(): print('x' * 5000)"
    ),
    "result": Break(
        "over_limit",
        rf"^result_mb: .*{FIGURE}.*bound",
        "import numpy as np\ndef main(): return np.zeros(1 << 18)",
    ),
}


@pytest.fixture(scope="module")
def box(level):
    with Sandbox.open(level=level, inputs={"none": {}}, limits=LIMITS) as box:
        yield box


@pytest.fixture(scope="module")
def short(level):
    limits = replace(LIMITS, wall_s=0.3)
    with Sandbox.open(level=level, inputs={"none": {}}, limits=limits) as box:
        yield box


@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_limit_is_named_with_its_figure_and_its_bound(request, box, name):
    broken = BREAKS[name]
    target = request.getfixturevalue("short") if name == "wall" else box
    outcome = target.run(Job(broken.source, "main", "none"))
    assert (outcome.status, outcome.value) == (broken.status, None), outcome
    assert re.search(broken.reason, outcome.reason), outcome.reason


def test_what_keeps_all_limits_is_ok(box):
    source = """
import os, threading
import numpy as np
def main():
    kept = bytearray(30 << 20)
    threading.Thread(target=print, args=("x" * 3000,)).start()
    with open("f", "wb") as file: file.write(bytes(1 << 20))
    sum(range(10**5))
    return np.zeros((1 << 17) - 10)
"""
    outcome = box.run(Job(source, "main", "none"))
    assert (outcome.status, outcome.reason) == ("ok", "")


def test_without_a_bound_on_files_none_can_be_written(level):
    source = "def main():\n    with open('f', 'wb', buffering=0) as file: file.write(b'x')"
    limits = replace(LIMITS, file_mb=0)
    with Sandbox.open(level=level, inputs={"none": {}}, limits=limits) as box:
        outcome = box.run(Job(source, "main", "none"))
        assert outcome.status in ("over_limit", "crashed")
        assert (
            box.run(Job("import os\ndef main(): return os.listdir()", "main", "none")).value == []
        )


@pytest.mark.skipif(not available("strict").available, reason=available("strict").reason)
def test_at_level_strict_tasks_are_counted_exactly_by_the_kernel():
    """Three may be alive, the fourth is refused at once; other processes of the user do not count."""
    source = """
import os, time
def main():
    made = 0
    try:
        for _ in range(5):
            if os.fork() == 0: time.sleep(300)
            made += 1
    except BlockingIOError:
        return made
"""
    limits = replace(LIMITS, tasks=3)
    with Sandbox.open(level="strict", inputs={"none": {}}, limits=limits) as box:
        for _ in range(2):
            outcome = box.run(Job(source, "main", "none"))
            assert (outcome.status, outcome.value) == ("ok", 2), outcome
