"""What candidates do wrong: each gets its status and a reason, and the next one notices nothing."""

import os
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest

from sandbox import Job, Limits, Sandbox

# a wall limit that no slow machine meets, and one for those who use no CPU time
LIMITS = Limits(wall_s=60, cpu_s=0.3, memory_mb=96, tasks=1, file_mb=0, result_mb=1, output_kb=16)
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


# A candidate that has found the memory in which results are left: the frames below it hold it.
FORGE = """
import mmap, os, sys, time
from sandbox import wire

def leave(raw, status):
    frame = sys._getframe()
    while "setting" not in frame.f_locals: frame = frame.f_back
    shared = frame.f_locals["setting"].shared
    shared[:len(raw)] = raw
    os.write(3, len(raw).to_bytes(8, "little"))
    time.sleep(300) if status is None else os._exit(status)

def forge(report, status): leave(b"".join(wire.encode(report)), status)

"""


class Attack(NamedTuple):
    """What is tried, and what must be seen: a status, and one of some parts of its reason."""

    status: str
    reasons: str | tuple[str, ...]
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
        "timeout",
        "wall_s: ",
        # at level strict it is process 1, which no signal of its own stops
        "import os, time\ndef main(x):\n    os.kill(os.getpid(), 19)\n    time.sleep(300)",
    ),
    "keeps a thread running": Attack(
        "over_limit",
        ("tasks: 2 used, bound 1", "tasks: one more than 1 refused, bound 1"),
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
    "aborts": Attack(
        # process 1 is deaf to its own SIGABRT; libc then falls over on purpose
        "crashed",
        ("killed by SIGABRT", "killed by SIGSEGV"),
        "import os\ndef main(x): os.abort()",
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
    "leaves a child": Attack(
        "over_limit",
        ("tasks: 2 used, bound 1", "tasks: one more than 1 refused, bound 1"),
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
    "says nothing and exits": Attack(
        "crashed", "without a whole result", "import os\ndef main(x): os._exit(0)"
    ),
    "says half a length and hangs": Attack(
        "timeout",
        "wall_s: ",
        "import os, time\ndef main(x):\n    os.write(3, bytes(4))\n    time.sleep(300)",
    ),
    "says half a length and exits": Attack(
        "crashed",
        "without a whole result",
        "import os\ndef main(x):\n    os.write(3, bytes(4))\n    os._exit(0)",
    ),
    "says a length of nothing": Attack(
        "crashed",
        "without a whole result",
        "import os\ndef main(x):\n    os.write(3, (100).to_bytes(8, 'little'))\n    os._exit(0)",
    ),
    "says a length beyond the shared memory": Attack(
        "crashed",
        "without a whole result",
        "import os\ndef main(x):\n    os.write(3, bytes([255] * 8))\n    os._exit(0)",
    ),
    "says a length before its own": Attack(
        "crashed",
        "without a whole result",
        "import os\ndef main(x): os.write(3, (100).to_bytes(8, 'little'))",
    ),
    "floods its report": Attack(
        "timeout",
        "wall_s: ",
        "import os\ndef main(x):\n    while True: os.write(3, bytes(1 << 16))",
    ),
    "forges a verdict": Attack(
        "crashed",
        "a frame that no candidate should write",
        FORGE + "def main(x): forge({'kind': 'won', 'reason': '', 'value': 1}, 0)",
    ),
    "forges what is no frame": Attack(
        "crashed", "without a whole result", FORGE + "def main(x): leave(b'[1, 2]', 0)"
    ),
    "forges a result and then crashes": Attack(
        "crashed",
        "exited with status 1",
        FORGE + "def main(x): forge({'kind': 'ok', 'reason': '', 'value': 1}, 1)",
    ),
    "forges a result and then breaks a limit": Attack(
        "timeout",
        "wall_s: ",
        FORGE + "def main(x): forge({'kind': 'ok', 'reason': '', 'value': 1}, None)",
    ),
    "deletes its folder": Attack(
        "crashed",
        "RuntimeError",
        """
import contextlib, os
def main(x):
    with contextlib.suppress(OSError): os.rmdir(os.getcwd())
    raise RuntimeError
""",
    ),
    "replaces its folder": Attack(
        "crashed",
        "RuntimeError",
        """
import contextlib, os
def main(x):
    place = os.getcwd()
    with contextlib.suppress(OSError):
        os.rmdir(place)
        os.symlink("/", place)
    raise RuntimeError
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
import contextlib, os
def main(x):
    with contextlib.suppress(OSError): os.makedirs("a/b")
    with contextlib.suppress(OSError): open("a/b/c", "w").close()
    with contextlib.suppress(OSError): os.chmod("a", 0)
    with contextlib.suppress(OSError): os.symlink("/", "root")
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


@pytest.fixture(scope="module")
def box(level):
    os.environ["SANDBOX_TEST_CANARY"] = CANARY
    secret, other_end = os.pipe()
    os.set_inheritable(secret, True)
    try:
        with Sandbox.open(level=level, inputs=INPUTS, limits=LIMITS) as box:
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
    reasons = (attack.reasons,) if isinstance(attack.reasons, str) else attack.reasons
    target = short if reasons == ("wall_s: ",) else box
    outcome = target.run(Job(attack.source, "main", "a"))
    assert (outcome.status, outcome.value) == (attack.status, None), outcome
    assert any(reason in outcome.reason for reason in reasons), outcome
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


@pytest.mark.usefixtures("control")
def test_a_candidate_that_kills_itself_gets_no_verdict_and_where_it_cannot_it_goes_on(box):
    outcome = box.run(Job("import os\ndef main(x): return os.kill(os.getpid(), 9)", "main", "a"))
    if box.level == "strict":  # as process 1 it is deaf to itself
        assert (outcome.status, outcome.value) == ("ok", None)
    else:
        assert (outcome.status, outcome.value) == ("over_limit", None)
        assert outcome.reason.startswith("killed by SIGKILL")


@pytest.mark.usefixtures("control")
def test_a_forged_result_is_only_the_candidates_own_output(box):
    source = FORGE + "def main(x): forge({'kind': 'ok', 'reason': '', 'value': 'mine'}, 0)"
    outcome = box.run(Job(source, "main", "a"))
    assert (outcome.status, outcome.value) == ("ok", "mine")


def test_what_a_candidate_left_in_the_shared_memory_is_gone_for_the_next_one(box):
    leaves = FORGE + "def main(x): leave(b'EVW1' + bytes([7]) * 1000, 0)"
    finds = """
import sys
def main(x):
    frame = sys._getframe()
    while "setting" not in frame.f_locals: frame = frame.f_back
    return any(frame.f_locals["setting"].shared[:2000])
"""
    assert box.run(Job(leaves, "main", "a")).status == "crashed"
    assert box.run(Job(finds, "main", "a")).value is False


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
