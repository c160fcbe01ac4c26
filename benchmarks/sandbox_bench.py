"""What the wall costs: one job beside a bare fork of the same process and beside a new interpreter.

    python benchmarks/sandbox_bench.py [--jobs N] [--json]

All figures are taken in turns in one run, because only their ratios carry over to other machines.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from sandbox import Job, Limits, Sandbox  # noqa: E402 - from this checkout, wherever it is run

ROUNDS = 10  # the machine's other work changes: every kind is measured in each round
SMALL = Job("def main(x): return x.sum()", "main", "small")
LARGE = Job("def main(x): return x", "main", "large")
STEPWISE = Job("def main(x, size): return size > 0.5", "main", "small")
LARGE_MB = 8
CALLS = 500  # of one stepwise job, and of its bare counterpart

# what a fork costs without any wall, in a process that holds what the warm process holds
BARE_FORKS = f"""
import gc, os, sys, time
import numpy, sandbox.warm
large = numpy.ones({LARGE_MB} << 17)
gc.collect(); gc.freeze(); gc.disable()
for line in sys.stdin:
    begin = time.perf_counter()
    pid = os.fork()
    if pid == 0: os._exit(0)
    os.waitpid(pid, 0)
    print(time.perf_counter() - begin, flush=True)
"""


def main() -> None:
    options = _options()
    for line in _table(_measure(options.jobs), options.json):
        print(line)


def _measure(jobs: int) -> dict[str, float]:
    """Give the median seconds of each kind."""
    inputs = {"small": {"x": np.ones(1000)}, "large": {"x": np.ones(LARGE_MB << 17)}}
    limits = Limits(wall_s=60, cpu_s=60)
    forks = subprocess.Popen(
        [sys.executable, "-c", BARE_FORKS],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    )
    with forks, Sandbox.open(inputs=inputs, limits=limits) as box:
        kinds: dict[str, tuple[int, Callable[[], float]]] = {
            "job": (jobs, lambda: _seconds(lambda: box.run(SMALL))),
            "bare_fork": (jobs, lambda: _ask(forks)),
            "large_result": (max(1, jobs // 10), lambda: _seconds(lambda: box.run(LARGE))),
            "stepwise_call": (ROUNDS, lambda: float(box.run(STEPWISE, _items).value)),
            "ping_pong": (ROUNDS, _ping_pong),
            "import_numpy": (1, lambda: _seconds(_import_numpy)),
            "open": (1, lambda: _seconds(lambda: Sandbox.open(inputs=inputs).close())),
        }
        taken: dict[str, list[float]] = {name: [] for name in kinds}
        for _ in range(ROUNDS):
            for name, (count, measure) in kinds.items():
                taken[name] += [measure() for _ in range(max(1, count // ROUNDS))]
        assert forks.stdin is not None
        forks.stdin.close()
    return {name: statistics.median(seconds) for name, seconds in taken.items()}


def _seconds(action: Callable[[], object]) -> float:
    begin = time.perf_counter()
    action()
    return time.perf_counter() - begin


def _ask(forks: subprocess.Popen[str]) -> float:
    assert forks.stdin is not None
    assert forks.stdout is not None
    forks.stdin.write("\n")
    return float(forks.stdout.readline())


def _items() -> Iterator[Any]:
    """Feed items, and give the seconds of a call."""
    yield {"size": 0.0}  # the fork is over when it is answered
    begin = time.perf_counter()
    for i in range(CALLS):
        yield {"size": i / CALLS}
    return (time.perf_counter() - begin) / CALLS


def _ping_pong() -> float:
    """Give the seconds in which a byte goes through a pipe to another process and one comes back."""
    ours, theirs = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(ours[1])
        while byte := os.read(ours[0], 1):
            os.write(theirs[1], byte)
        os._exit(0)
    begin = time.perf_counter()
    for _ in range(CALLS):
        os.write(ours[1], b"x")
        os.read(theirs[0], 1)
    seconds = time.perf_counter() - begin
    os.close(ours[1])
    os.waitpid(pid, 0)
    for end in (ours[0], *theirs):
        os.close(end)
    return seconds / CALLS


def _import_numpy() -> None:
    subprocess.run([sys.executable, "-c", "import numpy"], check=True)


def _table(medians: dict[str, float], as_json: bool) -> list[str]:
    if as_json:
        return [json.dumps({f"{name}_ms": seconds * 1e3 for name, seconds in medians.items()})]
    names = {
        "job": "one job, numpy in the warm process",
        "bare_fork": "bare fork of the same process",
        "large_result": f"one job with a result of {LARGE_MB} MiB",
        "stepwise_call": "one call of a stepwise job",
        "ping_pong": "a byte to a bare process and back",
        "import_numpy": 'python -c "import numpy"',
        "open": "opening and closing a sandbox",
    }
    lines = [f"{'':36}{'median ms':>10}{'x a job':>9}"]
    for name, text in names.items():
        ratio = medians[name] / medians["job"]
        lines.append(f"{text:36}{medians[name] * 1e3:10.3f}{ratio:9.2f}")
    return lines


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="What the wall costs.")
    parser.add_argument("--jobs", type=int, default=200, help="jobs to run (default 200)")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    return parser.parse_args()


if __name__ == "__main__":
    main()
