"""A crowd: many candidates in one sandbox, half of them misbehaving at random, and nothing is left.

500 at the strongest level in `make test`, 10,000 at each in `make soak`.
"""

import os
import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from sandbox import LEVELS, Job, Limits, Sandbox
from sandbox.levels import available
from sandbox.scratch import INNER

SMALL, LARGE = 500, 10_000
RNG_SEED = 20
LIMITS = Limits(wall_s=3, cpu_s=0.3, memory_mb=64, tasks=1, file_mb=1, result_mb=1, output_kb=16)
INPUTS = {"a": {"x": np.arange(64.0)}}
GROWTH = 1.10  # of a trusted process, from after the first candidates to the last
WARM_UP = 50
LEVELS_HERE = [level for level in LEVELS if available(level).available]

HONEST = {
    "adds": "def main(x): return float(x.sum())",
    "sorts": "import numpy as np\ndef main(x): return np.argsort(-x)",
    "draws": "import numpy as np\ndef main(x): return np.random.random(3)",
    "prints": "def main(x):\n    print('hello')\n    return {'mean': float(x.mean())}",
    "writes": "def main(x):\n    open('note', 'w').write('x')\n    return 1",
}
# What each must be found to be; how often it is drawn: what waits for a clock is rare.
MISBEHAVING = {
    "raises": ("def main(x): return x[99]", "crashed", 9),
    "no program": ("def main(x) return 1", "invalid", 9),
    "no entry": ("def other(x): return 1", "invalid", 9),
    "exits": ("import os\ndef main(x): os._exit(0)", "crashed", 9),
    "leaves": ("def main(x): raise SystemExit", "crashed", 9),
    "segfaults": ("import ctypes\ndef main(x): ctypes.string_at(8)", "crashed", 9),
    "aborts": ("import os\ndef main(x): os.abort()", "crashed", 9),
    "returns a file": ("def main(x): return open('f', 'w')", "invalid", 9),
    "returns too much": (
        "import numpy as np\ndef main(x): return np.ones(1 << 18)",
        "over_limit",
        9,
    ),
    "floods": ("def main(x):\n    for _ in range(99): print('y' * 4096)", "over_limit", 9),
    "takes memory": ("def main(x): return len(bytearray(300 << 20))", "over_limit", 9),
    "fills the disk": ("def main(x): open('f', 'w').write('z' * (4 << 20))", "over_limit", 9),
    "recurses": ("def main(x): return main(x)", "crashed", 9),
    "changes its input": ("def main(x): x[0] = 7", "crashed", 9),
    "spins": ("def main(x):\n    while True: pass", "timeout", 3),
    "sleeps": ("import time\ndef main(x): time.sleep(60)", "timeout", 1),
}


@pytest.mark.slow
@pytest.mark.parametrize("level", LEVELS_HERE[-1:])
def test_500_candidates_get_the_right_status_and_leave_nothing(level):
    crowd(level, SMALL)


@pytest.mark.soak
@pytest.mark.parametrize("level", LEVELS_HERE)
def test_10000_candidates_get_the_right_status_and_leave_nothing(level):
    crowd(level, LARGE)


def crowd(level, size):
    rng = random.Random(f"{RNG_SEED} {level} {size}")
    wrong, drawn = [], Counter()
    with Sandbox.open(level=level, inputs=INPUTS, limits=LIMITS) as box:
        warm = box._process.popen.pid
        clean = {name: told(box, HONEST[name]) for name in HONEST}
        for turn in range(size):
            if turn == WARM_UP:
                before = resident(warm), resident(os.getpid()), descriptors()
            name, source, expected = draw(rng)
            drawn[name] += 1
            found = told(box, source)
            if found != clean[name] if name in clean else found[0] != expected:
                wrong.append((turn, name, found))
        assert wrong == []
        assert box._process.popen.pid == warm  # never replaced
        assert children(warm) == []
        assert resident(warm) < before[0] * GROWTH
        assert resident(os.getpid()) < before[1] * GROWTH
        assert descriptors() == before[2]
        scratch = Path(box._scratch)
        assert [path for path in scratch.rglob("*") if path.name != INNER] == []
    assert not scratch.exists()
    assert not Path(f"/proc/{warm}").exists()
    assert sum(drawn[name] for name in MISBEHAVING) > size / 3


def draw(rng):
    if rng.random() < 0.5:
        name = rng.choice(list(HONEST))
        return name, HONEST[name], "ok"
    weights = [weight for _, _, weight in MISBEHAVING.values()]
    (name,) = rng.choices(list(MISBEHAVING), weights)
    source, expected, _ = MISBEHAVING[name]
    return name, source, expected


def told(box, source):
    outcome = box.run(Job(source, "main", "a", rng_seed=3))
    return outcome.status, repr(outcome.value), outcome.stdout


def resident(pid):
    """Give a process' own resident memory in kB, files and shared memory left out."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon:"))


def descriptors():
    return len(list(Path("/proc/self/fd").iterdir()))


def children(pid):
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
