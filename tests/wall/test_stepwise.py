"""Stepwise jobs: one item at a time from outside the wall, at every level of this machine."""

import contextlib
import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from sandbox import LEVELS, Job, Limits, Sandbox, SandboxError
from sandbox.levels import survey

LEVELS_HERE = [level for level in LEVELS if survey()[level].available and level != "container"]
# a wall limit that no slow machine meets, and one for those who use no CPU time
LIMITS = Limits(wall_s=60, cpu_s=30, memory_mb=512, result_mb=1)
SHORT = replace(LIMITS, wall_s=1.0, cpu_s=0.5)
SIZES = [7, 4, 6, 3, 9, 1, 2, 8, 5, 5, 4, 6]
CAPACITY = 10
INPUTS = {"a": {"capacity": CAPACITY}}
MANY = 5000
FUTURE = 3  # items of the search for what is to come, each of which takes seconds
GONE_WITHIN_S = 120

FIRST_FIT = """
loads = []
def main(capacity, size):
    for i, load in enumerate(loads):
        if load + size <= capacity:
            loads[i] += size
            return i
    loads.append(size)
    return len(loads) - 1
"""
SUM = (
    "total = 0.0\ndef main(capacity, x):\n    global total\n    total += x.sum()\n    return total"
)
# looks through all that can be reached from any frame or module, and through the memory itself
# where it may
SPY = """
import gc, re, select, sys
WANTED = re.compile(rb"future-(\\d\\d\\d\\d)")
FRAME = type(sys._getframe())
def main(capacity, secret):
    found, seen, waiting = set(), set(), [sys._getframe(), sys.modules, gc.get_objects()]
    kept = []  # or an id could be another's later
    seen |= {id(seen), id(waiting), id(kept)}
    while waiting:
        thing = waiting.pop()
        if id(thing) in seen: continue
        seen.add(id(thing))
        kept.append(thing)
        if type(thing) in (str, bytes):
            text = thing.encode(errors="replace") if type(thing) is str else thing
            found |= {int(n) for n in WANTED.findall(text)}
        else:
            waiting += gc.get_referents(thing)
            if type(thing) is FRAME: waiting += [thing.f_back, thing.f_locals]
    try:
        regions = open("/proc/self/maps").read().splitlines()
        memory = open("/proc/self/mem", "rb", 0)
    except OSError:
        regions = []
    for region in regions:
        place, rights = region.split()[:2]
        start, end = (int(part, 16) for part in place.split("-"))
        if rights.startswith("rw") and end - start < 64 << 20:
            try:
                memory.seek(start)
                found |= {int(n) for n in WANTED.findall(memory.read(end - start))}
            except OSError:
                continue
    return [sorted(found), bool(select.select([4], [], [], 0)[0])]
"""


AS_NOBODY = """
import os, sys
from sandbox import Job, Sandbox
assert os.getuid() != 0
def feed():
    return [(yield {"x": 2}), (yield {"x": 3})]
with Sandbox.open(level=sys.argv[1], inputs={"a": {}}) as box:
    print(box.run(Job("def main(x): return x * x", "main", "a"), feed).value)
"""
PATIENCE_S = 600


class Attack(NamedTuple):
    """What is tried, and what must be seen. `main` is called with capacity and size."""

    status: str
    reason: str
    source: str
    limits: Limits = LIMITS


ATTACKS = {
    "sleeps over an item": Attack(
        "timeout", "wall_s: ", "import time\ndef main(**_): time.sleep(300)", SHORT
    ),
    "loops over an item": Attack(
        "timeout", "cpu_s: ", "def main(**_):\n    while True: pass", replace(SHORT, wall_s=60)
    ),
    "exits with 0": Attack(
        "crashed", "exited with status 0", "import os\ndef main(**_): os._exit(0)"
    ),
    "calls sys.exit": Attack("crashed", "SystemExit: 3", "import sys\ndef main(**_): sys.exit(3)"),
    "raises at the third item": Attack(
        "crashed",
        "ZeroDivisionError: division by zero\n  line 5",
        "n = 0\ndef main(**_):\n    global n\n    n += 1\n    return 1 / (3 - n)",
    ),
    "answers with what cannot cross": Attack(
        "invalid", "an answer cannot cross the wall: the tree is a", "def main(**_): return {1}"
    ),
    "answers with too much": Attack(
        "over_limit",
        "result_mb: arrays take",
        "import numpy as np\ndef main(**_): return np.zeros(1 << 20)",
    ),
    "floods": Attack(
        "crashed",
        "an answer is no frame",
        "import os\ndef main(**_):\n    while True: os.write(5, b'x' * 65536)",
    ),
    "floods with whole frames": Attack(
        "crashed",
        "",
        """
import os
from sandbox import wire
FRAME = b"".join(wire.encode(0)) * 100
def main(**_):
    while True: os.write(5, FRAME)
""",
    ),
    "declares a length that nobody has": Attack(
        "crashed",
        "an answer is no frame of the wire: body of 1152921504606846976 bytes, bound 1048576",
        "import os, struct\n"
        "def main(**_): os.write(5, struct.pack('<4sIQ', b'EVW1', 16, 1 << 60) + bytes(99))",
    ),
    "declares a header that nobody has": Attack(
        "crashed",
        "an answer is no frame of the wire: header of 4294967295 bytes",
        "import os, struct\n"
        "def main(**_): os.write(5, struct.pack('<4sIQ', b'EVW1', 2**32 - 1, 0) + bytes(99))",
    ),
    "writes deep JSON": Attack(
        "crashed",
        "an answer is no frame",
        """
import os, struct, time
def main(**_):
    header = b"[" * 4096
    os.write(5, struct.pack("<4sIQ", b"EVW1", len(header), 0) + header)
    time.sleep(300)
""",
        SHORT,
    ),
    "writes half a frame and falls silent": Attack(
        "timeout",
        "wall_s: ",
        "import os, time\ndef main(**_):\n    os.write(5, b'EVW1')\n    time.sleep(300)",
        SHORT,
    ),
    "writes half a frame and exits": Attack(
        "crashed",
        "exited with status 0",
        "import os\ndef main(**_):\n    os.write(5, b'EVW1')\n    os._exit(0)",
    ),
    "answers twice": Attack(
        "crashed",
        "",
        """
from sandbox import wire
FRAME = b"".join(wire.encode(0))
def main(**_):
    import os
    os.write(5, FRAME)
    return 0
""",
    ),
    "answers before it was asked": Attack(
        "crashed",
        "",
        "import os\nfrom sandbox import wire\n"
        "os.write(5, b''.join(wire.encode(0)))\ndef main(**_): return 0",
    ),
    "answers after the end": Attack(
        "crashed",
        "it answered more often than it was asked",
        """
import os, sys
from sandbox import wire
class Late:
    def flush(self): os.write(5, b"".join(wire.encode(0)))
def main(**_):
    sys.stdout = Late()
    return 0
""",
    ),
    "closes the channel": Attack(
        "crashed",
        "OSError: [Errno 9] Bad file descriptor",
        "import os\ndef main(**_):\n    os.close(4)\n    os.close(5)\n    return 0",
    ),
    "closes the channel and lingers": Attack(
        "timeout",
        "wall_s: ",
        "import os, time\ndef main(**_):\n    os.close(4); os.close(5)\n    time.sleep(300)",
        SHORT,
    ),
    "pretends that there are no more items": Attack(
        "crashed",
        "ended before it had answered every item",
        "import os\ndef main(**_):\n    os.dup2(0, 4)\n    return 0",
    ),
    "defines no entry": Attack("invalid", "main is not defined", "x = 1"),
    "fills the memory": Attack("over_limit", "memory_mb: ", "def main(**_): return bytes(1 << 30)"),
}


@pytest.fixture(scope="module", params=LEVELS_HERE)
def box(request):
    with Sandbox.open(level=request.param, inputs=INPUTS, limits=LIMITS) as box:
        yield box


@pytest.fixture(scope="module", params=LEVELS_HERE)
def impatient(request):
    with Sandbox.open(level=request.param, inputs=INPUTS, limits=SHORT) as box:
        yield box


def sizes(items=SIZES):
    """Feed sizes, and give all answers."""

    def feed():
        answers = []
        for size in items:
            answers.append((yield {"size": size}))
        return answers

    return feed


def secrets():
    return (yield {"secret": "nothing"})


def run(box, source, feed=None, **options):
    return box.run(Job(source, "main", "a", **options), feed or sizes())


def clean(box):
    """Run an honest stepwise job and an honest ordinary one; give what must not change."""
    packed = run(box, FIRST_FIT)
    ordinary = box.run(Job("import os\ndef main(capacity): return capacity", "main", "a"))
    return [(o.status, o.reason, o.value, o.stdout) for o in (packed, ordinary)]


CLEAN = [("ok", "", [0, 1, 1, 0, 2, 2, 3, 3, 4, 4, 5, 5], ""), ("ok", "", CAPACITY, "")]


def test_items_are_answered_one_by_one_and_the_feed_gives_the_value(box):
    assert clean(box) == CLEAN


def test_what_is_to_come_is_nowhere_in_the_candidates_memory(box):
    told = []

    def feed():
        for i in range(FUTURE):
            found, waiting = yield {"secret": f"future-{i:04}"}
            told.append((found, waiting))
        return None

    assert run(box, SPY, feed).status == "ok"
    for i, (found, waiting) in enumerate(told):
        assert i in found, "it does not even find what it was given"
        assert max(found) <= i
        assert not waiting


def test_the_same_search_finds_what_the_warm_process_holds(box):
    inputs = {"a": {"capacity": [f"future-{i:04}" for i in range(6)]}}
    with Sandbox.open(level=box.level, inputs=inputs, limits=LIMITS) as other:
        found, _ = run(other, SPY, secrets).value
    assert found == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("name", [n for n, a in ATTACKS.items() if a.limits is LIMITS])
def test_a_candidate_that_breaks_the_rules_gets_its_status_and_the_next_one_nothing(box, name):
    warm = box._process.popen.pid
    before = descriptors()
    outcome = run(box, ATTACKS[name].source)
    assert outcome.status == ATTACKS[name].status, outcome.reason
    assert outcome.reason.startswith(ATTACKS[name].reason), outcome.reason
    assert outcome.value is None
    assert clean(box) == CLEAN
    assert box._process.popen.pid == warm
    assert descriptors() == before


@pytest.mark.parametrize("name", [n for n, a in ATTACKS.items() if a.limits is not LIMITS])
def test_a_candidate_that_lingers_is_ended(box, name):
    attack = ATTACKS[name]
    with Sandbox.open(level=box.level, inputs=INPUTS, limits=attack.limits) as other:
        outcome = run(other, attack.source)
        assert outcome.status == attack.status, outcome.reason
        assert outcome.reason.startswith(attack.reason), outcome.reason
        assert clean(other) == CLEAN


def test_five_thousand_calls_are_all_right(box):
    items = np.random.default_rng(0).integers(1, CAPACITY, MANY).tolist()
    source = "seen = 0\ndef main(capacity, size):\n    global seen\n    seen += 1\n    return seen * size"
    outcome = run(box, source, sizes(items))
    assert outcome.value == [(i + 1) * size for i, size in enumerate(items)]


def test_arrays_go_both_ways_however_large_and_are_its_own(box):
    def feed():
        total = 0.0
        for length in (0, 3, 1 << 19):
            answer = yield {"x": np.full(length, 0.5)}
            total += length * 0.5
            assert answer == total
        back = yield {"x": np.zeros(1)}
        return back

    assert run(box, SUM, feed).value == (3 + (1 << 19)) * 0.5
    mirror = "def main(capacity, x):\n    x += 1\n    return x"

    def mirrored():
        back = yield {"x": np.arange(float(1 << 16)).reshape(2, -1)}
        back[0, 0] = 7
        return back

    value = run(box, mirror, mirrored).value
    assert value.shape == (2, 1 << 15)
    assert value.sum() == np.arange(1.0, (1 << 16) + 1).sum() + 6


def test_randomness_goes_on_from_call_to_call(box):
    source = "def main(capacity, size, rng): return rng.random()"
    outcome = run(box, source, sizes([1, 2, 3]), rng_seed=7, pass_rng=True)
    assert outcome.value == np.random.Generator(np.random.PCG64(7)).random(3).tolist()


def test_a_feed_may_follow_the_answers_or_have_no_item(box):
    def halving():
        low, high = 0, 1000
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if (yield {"size": middle}) else (low, middle)
        return low

    assert run(box, "def main(capacity, size): return size <= 617", halving).value == 617
    assert run(box, "1 / 0", sizes([])).status == "invalid"
    assert run(box, FIRST_FIT, sizes([])).value == []


def test_an_observed_variable_stands_in_place_of_the_feeds_value(box):
    source = "seen = []\ndef main(capacity, size): seen.append(size)"
    assert run(box, source, sizes([3, 1]), observe="seen").value == [3, 1]


def test_what_a_feed_raises_is_raised_after_the_candidates_end(box):
    def feed():
        yield {"size": 1}
        raise SandboxError("mine")

    with pytest.raises(SandboxError, match="mine"):
        run(box, FIRST_FIT, feed)
    assert clean(box) == CLEAN
    family = children_of(box._process.popen.pid)
    assert family == []


@pytest.mark.parametrize(
    ("item", "said"),
    [
        ({"size": {1}}, r"size is a builtins.set"),
        (3, "it is no dict of arguments"),
        ({"capacity": 3}, "'capacity' is given already"),
        ({"rng": 3}, "'rng' is given already"),
        ({3: 3}, "keys must be str"),
    ],
)
def test_an_item_that_cannot_be_given_is_the_feeds_mistake(box, item, said):
    places = []

    def feed():
        try:
            yield item
        except TypeError:
            places.append("at the yield")
            raise

    with pytest.raises(TypeError, match=said):
        run(box, FIRST_FIT, feed)
    assert places == ["at the yield"]
    assert clean(box) == CLEAN


def test_an_ordinary_job_has_no_channel(box):
    source = """
import os
def main(capacity):
    there = []
    for fd in range(64):
        try: os.fstat(fd)
        except OSError: continue
        there.append(fd)
    return there
"""
    clean(box)
    assert box.run(Job(source, "main", "a")).value == [0, 1, 2, 3]
    stepwise = source.replace("(capacity)", "(**_)")
    assert run(box, stepwise, sizes([1])).value == [[0, 1, 2, 3, 4, 5]]


def test_a_slow_feed_uses_up_the_wall_time(impatient):
    def feed():
        yield {"size": 1}
        time.sleep(2 * SHORT.wall_s)
        yield {"size": 1}

    outcome = run(impatient, FIRST_FIT, feed)
    assert (outcome.status, outcome.reason[:8]) == ("timeout", "wall_s: ")


def test_a_feed_without_end_is_ended_by_the_limits(impatient):
    def feed():
        while True:
            yield {"size": 1}

    assert run(impatient, "def main(**_): return 0", feed).status == "timeout"


def test_a_feed_starts_again_when_the_warm_process_died_over_it():
    started = []

    def feed():
        started.append(1)
        yield {"size": 1}

    killer = "import os\ndef main(**_): os.kill(os.getppid(), 9)"
    with Sandbox.open(level="weak", inputs=INPUTS, limits=LIMITS) as box:
        outcome = run(box, killer, feed)
        assert outcome.status == "over_limit"
        assert "died 3 of 3 times" in outcome.reason
        assert len(started) == 3
        assert clean(box) == CLEAN


@pytest.mark.parametrize("name", LEVELS_HERE)
def test_an_ordinary_user_can_feed_too(name, as_nobody):
    if os.getuid() != 0:
        pytest.skip("these tests run as an ordinary user already")
    told = as_nobody([sys.executable, "-B", "-c", AS_NOBODY, name], PATIENCE_S)
    assert told.stdout == "[4, 9]\n", told.stderr


def test_a_harness_is_called_once_and_what_it_gives_for_each_item(box):
    harness = """
def call(candidate, public, rng):
    calls = []

    def answer(sizes):
        calls.extend(candidate(size) for size in sizes)
        return sum(calls)

    return answer
"""

    def feed():
        return (yield {"sizes": [1, 2]}), (yield {"sizes": [3]})

    job = Job(source="def main(size): return 2 * size", entry="main", input="a", rng_seed=7)
    inputs = {"a": {}}
    with Sandbox.open(level=box.level, inputs=inputs, harness=harness) as driven:
        outcome = driven.run(job, feed)
    assert (outcome.status, outcome.value) == ("ok", (6, 12))


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208


def children_of(pid: int) -> list[str]:
    """Give the children of a process, once those that are being ended are gone."""
    end = time.monotonic() + GONE_WITHIN_S
    while True:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        if not found or time.monotonic() > end:
            return found
        time.sleep(0.01)
