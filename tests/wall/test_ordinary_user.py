"""The wall as an ordinary user, where these tests run as root: every level, bounds, no leftovers."""

import os
import sys

import pytest

PATIENCE_S = 600

PROGRAM = """
import os, sys
from pathlib import Path
from sandbox import Job, Limits, Sandbox
from sandbox.levels import available

level = sys.argv[1]
assert os.getuid() != 0
assert available(level).available, available(level).reason
limits = Limits(wall_s=60, cpu_s=0.3, memory_mb=64, tasks=2, file_mb=1, result_mb=1, output_kb=4)
sources = {
    "honest": "import numpy as np\\ndef main(x): return float(np.sqrt(x))",
    "reads": "def main(x): return len(open('/etc/passwd').read())",
    "spins": "def main(x):\\n    while True: pass",
    "grows": "def main(x): return len(bytearray(200 << 20))",
    "breeds": "import os, time\\ndef main(x):\\n    for _ in 'abc': os.fork() or time.sleep(300)",
    "prints": "def main(x): print('x' * 5000)",
    "writes": "def main(x): open('f', 'wb').write(bytes(2 << 20))",
    "returns": "def main(x): return bytes(2 << 20)",
}
with Sandbox.open(level=level, inputs={"a": {"x": 4.0}}, limits=limits) as box:
    for name, source in sources.items():
        outcome = box.run(Job(source, "main", "a"))
        print(name, outcome.status, (outcome.reason or str(outcome.value)).partition(":")[0])
    warm, scratch = box._process.popen.pid, box._scratch
assert not Path(f"/proc/{warm}").exists() and not Path(scratch).exists()
"""

SEEN = {
    "honest": "ok 2.0",
    "reads": "crashed",
    "spins": "timeout cpu_s",
    "grows": "over_limit memory_mb",
    "breeds": "over_limit tasks",
    "prints": "over_limit output_kb",
    "writes": "over_limit file_mb",
    "returns": "over_limit result_mb",
}


def test_an_ordinary_user_gets_the_same_wall(level, as_nobody):
    """At level weak files can be read: it says so of itself."""
    if os.getuid() != 0:
        pytest.skip("these tests run as an ordinary user already")
    told = as_nobody([sys.executable, "-B", "-c", PROGRAM, level], PATIENCE_S)
    assert told.returncode == 0, told.stderr
    found = dict(line.split(" ", 1) for line in told.stdout.splitlines())
    expected = {**SEEN, **({"reads": "ok"} if level == "weak" else {})}
    for name, said in expected.items():
        assert found[name].startswith(said), (name, found[name])
