"""What a candidate's misdeeds look like to whoever asked; the attack suite tells that they fail."""

import os
import re
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest

from sandbox import LEVELS, Job, Limits, Sandbox
from sandbox.levels import survey

LEVELS_HERE = [level for level in LEVELS if survey()[level].available]
# a wall limit that no slow machine meets, and one for those who use no CPU time
LIMITS = Limits(wall_s=60, cpu_s=1, memory_mb=96, tasks=1, file_mb=0, result_mb=1, output_kb=16)
SHORT = replace(LIMITS, wall_s=0.5)
CANARY = "canary-4f1c"
INPUTS = {"a": {"x": np.array([3.0, 1.0, 2.0])}}


class Misdeed(NamedTuple):
    """What is done, and what must be seen: a status, and a pattern at the start of the reason."""

    status: str
    reason: str
    source: str


MISDEEDS = {
    "loops": Misdeed(
        "timeout", r"cpu_s: 1(\.\d+)? s used, bound 1 s", "def main(x):\n    while 1: 0"
    ),
    "sleeps": Misdeed(
        "timeout",
        r"wall_s: 0\.5\d* s used, bound 0\.5 s",
        "import time\ndef main(x): time.sleep(300)",
    ),
    "keeps a thread running": Misdeed(
        "over_limit",
        "tasks: (2 used|one more than 1 refused), bound 1",
        """
import threading, time
def main(x):
    threading.Thread(target=time.sleep, args=(300,)).start()
    time.sleep(300)
""",
    ),
    "leaves a child": Misdeed(
        "over_limit",
        "tasks: (2 used|one more than 1 refused), bound 1",
        """
import os, time
def main(x):
    if os.fork() == 0: time.sleep(300)
    return 1
""",
    ),
    "calls sys.exit": Misdeed("crashed", "SystemExit: 3", "import sys\ndef main(x): sys.exit(3)"),
    "exits": Misdeed("crashed", "exited with status 70", "import os\ndef main(x): os._exit(70)"),
    "segfaults": Misdeed(
        "crashed",
        "killed by SIGSEGV\n  line 4, in main",
        """
import ctypes
def main(x):
    ctypes.string_at(0)
""",
    ),
    "recurses": Misdeed("crashed", "RecursionError", "def main(x): return main(x)"),
    "raises a novel": Misdeed(
        "crashed", "ValueError: aaa", "def main(x): raise ValueError('a' * 10**7)"
    ),
    "floods stdout": Misdeed(
        "over_limit",
        r"output_kb: [\d.]+ KB used, bound 16 KB",
        "def main(x):\n    while True: print('x' * 999)",
    ),
    "grows": Misdeed(
        "over_limit",
        "memory_mb: .* bound 96 MB",
        "def main(x): return [bytearray(1 << 20) for _ in range(300)]",
    ),
    "returns a set": Misdeed("invalid", ".*value is a builtins.set", "def main(x): return {1}"),
    "returns a generator": Misdeed(
        "invalid", ".*value is a builtins.generator", "def main(x): return (i for i in x)"
    ),
    "mutates its inputs": Misdeed("crashed", "ValueError: .*read-only", "def main(x): x.sort()"),
}


@pytest.fixture(scope="module", params=LEVELS_HERE)
def box(request):
    os.environ["SANDBOX_TEST_CANARY"] = CANARY
    secret, other_end = os.pipe()
    os.set_inheritable(secret, True)
    try:
        with Sandbox.open(level=request.param, inputs=INPUTS, limits=LIMITS) as box:
            yield box
    finally:
        del os.environ["SANDBOX_TEST_CANARY"]
        os.close(secret)
        os.close(other_end)


@pytest.fixture(scope="module")
def short(box):
    with Sandbox.open(level=box.level, inputs=INPUTS, limits=SHORT) as short:
        yield short


@pytest.mark.parametrize("name", MISDEEDS)
def test_a_misdeed_is_a_status_with_a_reason(box, short, name):
    misdeed = MISDEEDS[name]
    target = short if misdeed.reason.startswith("wall_s") else box
    outcome = target.run(Job(misdeed.source, "main", "a"))
    assert (outcome.status, outcome.value) == (misdeed.status, None), outcome
    assert re.match(misdeed.reason, outcome.reason), outcome.reason
    assert len(outcome.reason) < 5000
    assert len(outcome.stdout) <= LIMITS.output_kb * 1024


def test_no_variable_of_ours_is_in_the_environment(box):
    source = "import os\ndef main(x): return dict(os.environ)"
    variables = box.run(Job(source, "main", "a")).value
    assert CANARY not in str(variables)
    assert "PYTHONPATH" not in variables
    allowed = {"HOME", "TMPDIR", "LANG", "PYTHONHASHSEED", "LD_LIBRARY_PATH"}
    assert {name for name in variables if not name.endswith("_NUM_THREADS")} <= allowed


def test_no_descriptor_is_open_but_its_own(box):
    source = """
import os, stat
def main(x):
    found = []
    for fd in range(256):
        try: found.append([fd, stat.filemode(os.fstat(fd).st_mode)[0]])
        except OSError: pass
    return found
"""
    found = box.run(Job(source, "main", "a")).value
    assert found == [[0, "c"], [1, "p"], [2, "p"], [3, "p"]]  # a device, and pipes


def test_a_forged_result_is_only_the_candidates_own_output(box):
    source = """
import os, sys
from sandbox import candidate, wire
def main(x):
    frame = sys._getframe()
    while "setting" not in frame.f_locals: frame = frame.f_back
    forged = wire.encode({"kind": "ok", "reason": "", "value": "mine"})
    candidate._report(forged, frame.f_locals["setting"].shared)
    os._exit(0)
"""
    outcome = box.run(Job(source, "main", "a"))
    assert (outcome.status, outcome.value) == ("ok", "mine")


def test_limits_count_from_the_candidates_start_and_not_from_ours(box):
    outcome = box.run(Job("import time\ndef main(x): return time.process_time()", "main", "a"))
    assert outcome.cpu_s < outcome.value + 0.5
    assert outcome.wall_s < LIMITS.wall_s
