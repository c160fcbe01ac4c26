"""What candidates do wrong: each gets its status and a reason, and the next one notices nothing."""

import os
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

CLEAN = """
import os, random, sys, time
import numpy as np
def main(x):
    print("clean")
    modules = sorted(name for name in sys.modules if name.startswith("candidate"))
    return [x, random.random(), np.random.rand(), np.sort(x), os.listdir(), modules, time.sleep(0)]
"""


class Attack(NamedTuple):
    """What is tried, and what must be seen."""

    status: str
    reason: str
    source: str


ATTACKS = {
    "loops in Python": Attack("timeout", "cpu_s: ", "def main(x):\n    while True: pass"),
    "loops in C": Attack("timeout", "cpu_s: ", "def main(x): return sum(range(10**12))"),
    "loops at import": Attack("timeout", "cpu_s: ", "while True: pass"),
    "sleeps": Attack("timeout", "wall_s: ", "import time\ndef main(x): time.sleep(300)"),
    "backtracks": Attack(
        "timeout", "cpu_s: ", "import re\ndef main(x): re.match('(a+)+b', 'a' * 60)"
    ),
    "ignores signals and exceptions": Attack(
        "timeout",
        "cpu_s: ",
        """
import signal
def main(x):
    for number in set(signal.valid_signals()) - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_IGN)
    while True:
        try:
            while True: pass
        except BaseException: pass
""",
    ),
    "lifts its own CPU limit": Attack(
        "timeout",
        "cpu_s: ",
        """
import resource
def main(x):
    soft, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (hard, hard))
    while True: pass
""",
    ),
    "stops itself": Attack(
        "timeout", "wall_s: ", "import os\ndef main(x): os.kill(os.getpid(), 19)"
    ),
    "keeps a thread running": Attack(
        "over_limit",
        "tasks: 2 used, bound 1",
        """
import threading, time
def main(x):
    threading.Thread(target=time.sleep, args=(300,)).start()
    time.sleep(300)
""",
    ),
    "calls sys.exit": Attack("crashed", "SystemExit: 3", "import sys\ndef main(x): sys.exit(3)"),
    "calls sys.exit at import": Attack("crashed", "SystemExit", "import sys; sys.exit(0)"),
    "exits with 0": Attack(
        "crashed", "exited with status 0", "import os\ndef main(x): os._exit(0)"
    ),
    "exits with 7 at import": Attack("crashed", "exited with status 7", "import os; os._exit(7)"),
    "exits as if it never started": Attack(
        "crashed", "exited with status 70", "import os; os._exit(70)"
    ),
    "segfaults": Attack(
        "crashed",
        "killed by SIGSEGV\n  line 4, in main",
        """
import ctypes
def main(x):
    ctypes.string_at(0)
""",
    ),
    "aborts": Attack("crashed", "killed by SIGABRT", "import os\ndef main(x): os.abort()"),
    "kills itself": Attack(
        "over_limit", "killed by SIGKILL", "import os\ndef main(x): os.kill(os.getpid(), 9)"
    ),
    "recurses": Attack("crashed", "RecursionError", "def main(x): return main(x)"),
    "raises what cannot be printed": Attack(
        "crashed",
        "Bad",
        """
class Bad(Exception):
    def __str__(self): raise Bad
def main(x): raise Bad
""",
    ),
    "raises a novel": Attack(
        "crashed", "ValueError: aaa", "def main(x): raise ValueError('a' * 10**7)"
    ),
    "floods stdout": Attack(
        "over_limit", "output_kb: ", "def main(x):\n    while True: print('x' * 999)"
    ),
    "floods standard error": Attack(
        "over_limit",
        "output_kb: ",
        "import os\ndef main(x):\n    while True: os.write(2, b'x' * 999)",
    ),
    "floods a little and returns": Attack(
        "over_limit", "output_kb: ", "def main(x): print('x' * 20_000)"
    ),
    "grows the heap": Attack(
        "over_limit",
        "memory_mb: ",
        "def main(x):\n    kept = []\n    while len(kept) < 300: kept.append(bytearray(1 << 20))",
    ),
    "asks for one large array": Attack(
        "over_limit", "memory_mb: ", "import numpy as np\ndef main(x): return np.ones(1 << 27)"
    ),
    "grows at import": Attack("over_limit", "memory_mb: ", "kept = bytearray(1 << 28)"),
    "grows shared memory": Attack(
        "over_limit",
        "memory_mb: ",
        """
import mmap, time
def main(x):
    shared = mmap.mmap(-1, 160 << 20)
    for place in range(0, len(shared), 4096): shared[place] = 1
    time.sleep(300)
""",
    ),
    "writes a file": Attack(
        "over_limit",
        "file_mb: ",
        "def main(x):\n    with open('f', 'wb', buffering=0) as file: file.write(b'x')",
    ),
    "writes a file and ignores nothing": Attack(
        "over_limit",
        "file_mb: ",
        """
import signal
def main(x):
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    with open('f', 'wb', buffering=0) as file: file.write(b'x')
""",
    ),
    "leaves a child": Attack(
        "over_limit",
        "tasks: 2 used, bound 1",
        """
import os, time
def main(x):
    if os.fork() == 0: time.sleep(300)
    return 1
""",
    ),
    "leaves a daemon": Attack(
        "over_limit",
        "tasks: ",
        """
import os, time
def main(x):
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.setsid()
            os.write(writing, b"x")
            time.sleep(300)
        os._exit(0)
    os.read(reading, 1)
    os.wait()
    return 1
""",
    ),
    "breeds": Attack(
        "over_limit",
        "tasks: ",
        """
import os, time
def main(x):
    for _ in range(5): os.fork()
    os.setsid() if os.getpgid(0) != os.getpid() else None
    time.sleep(300)
""",
    ),
    "returns a set": Attack("invalid", "value is a builtins.set", "def main(x): return {1}"),
    "returns a generator": Attack(
        "invalid", "value is a builtins.generator", "def main(x): return (i for i in x)"
    ),
    "returns a liar": Attack(
        "invalid",
        "value is a candidate.Liar",
        """
import numpy as np
class Liar(np.ndarray):
    def __eq__(self, other): return True
def main(x): return x.view(Liar)
""",
    ),
    "returns too much": Attack(
        "over_limit", "result_mb: ", "import numpy as np\ndef main(x): return np.zeros(1 << 18)"
    ),
    "mutates its inputs": Attack("crashed", "ValueError: ", "def main(x): x.sort()"),
    "forges half a frame and hangs": Attack(
        "timeout",
        "wall_s: ",
        "import os, time\ndef main(x):\n    os.write(3, b'EVW1' + bytes(9))\n    time.sleep(300)",
    ),
    "forges half a frame and exits": Attack(
        "crashed",
        "without a whole result",
        "import os\ndef main(x):\n    os.write(3, b'EVW1' + bytes(9))\n    os._exit(0)",
    ),
    "forges a frame before its own": Attack(
        "crashed",
        "exited with status 0",
        "import os\ndef main(x):\n    os.write(3, b'EVW1' + bytes(12))",
    ),
    "forges a verdict": Attack(
        "crashed",
        "a frame that no candidate should write",
        """
import os
from sandbox import wire
def main(x):
    wire.write_all(3, wire.encode({"kind": "won", "reason": "", "value": 1}))
    os._exit(0)
""",
    ),
    "forges a result and then crashes": Attack(
        "crashed",
        "exited with status 1",
        """
import os
from sandbox import wire
def main(x):
    wire.write_all(3, wire.encode({"kind": "ok", "reason": "", "value": 1}))
    os._exit(1)
""",
    ),
    "floods its report": Attack(
        "over_limit",
        "result_mb: ",
        "import os\ndef main(x):\n    while True: os.write(3, bytes(1 << 16))",
    ),
    "deletes its folder": Attack(
        "crashed",
        "RuntimeError",
        "import os\ndef main(x):\n    os.rmdir(os.getcwd())\n    raise RuntimeError",
    ),
    "replaces its folder": Attack(
        "crashed",
        "RuntimeError",
        """
import os
def main(x):
    place = os.getcwd()
    os.rmdir(place)
    os.symlink("/", place)
    raise RuntimeError
""",
    ),
    "replaces the way out": Attack(
        "crashed",
        "exited with status 1",
        """
import os
def main(x):
    os._exit = lambda code: None
    os.write = None
    return 1
""",
    ),
    "raises on the way out": Attack(
        "crashed",
        "KeyboardInterrupt",
        """
import sys
def main(x):
    def interrupt(*_): raise KeyboardInterrupt
    sys.setprofile(interrupt)
    return 1
""",
    ),
    "closes every descriptor": Attack(
        "crashed", "exited with status", "import os\ndef main(x): os.closerange(0, 99)"
    ),
}

TRICKS = {
    "patches numpy and the clocks": """
import numpy, random, time
def main(x):
    numpy.sort = numpy.random.rand = random.random = time.sleep = lambda *_: 0
    return 1
""",
    "leaves modules behind": """
import sys, types
def main(x):
    sys.modules["candidate_left"] = types.ModuleType("candidate_left")
    return 1
""",
    "leaves files behind": """
import os
def main(x):
    os.makedirs("a/b")
    open("a/b/c", "w").close()
    os.chmod("a", 0)
    os.symlink("/", "root")
    return 1
""",
    "closes and replaces its output": """
import sys
def main(x):
    sys.stdout.close()
    sys.stderr = None
    return 1
""",
    "asks for a last word at exit": """
import atexit, time
def main(x):
    atexit.register(time.sleep, 300)
    return 1
""",
    "returns NaN and infinities": """
import numpy as np
def main(x):
    assert np.isnan(np.array([np.nan, np.inf])).any()
    return 1
""",
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


@pytest.fixture
def control(box):
    """A clean candidate before and after does exactly the same, and nothing else is left."""
    before = clean(box)
    warm = box._process.popen.pid
    yield
    assert clean(box) == before
    assert box._process.popen.pid == warm, "the warm process was lost"
    assert children_of(warm) == []


@pytest.mark.usefixtures("control")
@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_a_status_with_a_reason(box, short, name):
    attack = ATTACKS[name]
    target = short if attack.reason.startswith("wall_s") else box
    outcome = target.run(Job(attack.source, "main", "a"))
    assert (outcome.status, outcome.value) == (attack.status, None), outcome
    assert attack.reason in outcome.reason
    assert len(outcome.reason) < 5000
    assert len(outcome.stdout) <= LIMITS.output_kb * 1024
    assert children_of(target._process.popen.pid) == []


@pytest.mark.usefixtures("control")
def test_a_candidate_that_ignores_the_refusal_of_memory_ends_all_the_same(box):
    source = """
def main(x):
    kept = []
    while True:
        try: kept.append(bytearray(1 << 20))
        except MemoryError: pass
"""
    outcome = box.run(Job(source, "main", "a"))
    assert outcome.status in ("over_limit", "timeout")  # whichever bound it meets first


@pytest.mark.usefixtures("control")
@pytest.mark.parametrize("name", TRICKS)
def test_a_trick_helps_nothing_and_leaves_nothing(box, name):
    outcome = box.run(Job(TRICKS[name], "main", "a"))
    assert (outcome.status, outcome.value) == ("ok", 1), outcome


def test_no_variable_of_ours_is_in_the_environment(box):
    source = "import os\ndef main(x): return [dict(os.environ), open('/proc/self/environ').read()]"
    variables, raw = box.run(Job(source, "main", "a")).value
    assert CANARY not in str(variables) + raw
    assert "PYTHONPATH" not in variables
    allowed = {"HOME", "TMPDIR", "LANG", "PYTHONHASHSEED", "LD_LIBRARY_PATH"}
    assert {name for name in variables if not name.endswith("_NUM_THREADS")} <= allowed


def test_no_descriptor_is_open_but_its_own(box):
    source = """
import os
def main(x):
    found = []
    for fd in range(256):
        try: found.append([fd, os.readlink(f"/proc/self/fd/{fd}").partition(":")[0]])
        except OSError: pass
    return found
"""
    found = box.run(Job(source, "main", "a")).value
    assert found == [[0, "/dev/null"], [1, "pipe"], [2, "pipe"], [3, "pipe"]]


def test_a_forged_result_is_only_the_candidates_own_output(box):
    source = """
import os
from sandbox import wire
def main(x):
    wire.write_all(3, wire.encode({"kind": "ok", "reason": "", "value": "mine"}))
    os._exit(0)
"""
    outcome = box.run(Job(source, "main", "a"))
    assert (outcome.status, outcome.value) == ("ok", "mine")


def test_limits_count_from_the_candidates_start_and_not_from_ours(box):
    outcome = box.run(Job("import time\ndef main(x): return time.process_time()", "main", "a"))
    assert outcome.cpu_s < outcome.value + 0.5
    assert outcome.wall_s < LIMITS.wall_s


def clean(box):
    outcome = box.run(Job(CLEAN, "main", "a", rng_seed=3))
    assert outcome.status == "ok", outcome
    x, first, second, ordered, *rest = outcome.value
    return x.tolist(), first, second, ordered.tolist(), rest, outcome.stdout, outcome.reason


def children_of(pid: int) -> list[str]:
    with open(f"/proc/{pid}/task/{pid}/children") as file:  # noqa: PTH123
        return file.read().split()
