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
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from sandbox import LEVELS, Job, Limits, Sandbox  # noqa: E402 - from this checkout
from sandbox.levels import available  # noqa: E402

ROUNDS = 10  # the machine's other work changes: every kind is measured in each round
SMALL = Job("def main(x): return x.sum()", "main", "small")
LARGE = Job("def main(x): return x", "main", "large")
STEPWISE = Job("def main(x, size): return size > 0.5", "main", "small")
LARGE_MB = 8
CALLS = 500  # of one stepwise job, and of its bare counterpart

TORCH_EVERY = 4  # jobs with torch take longer: so many fewer of them

# what a fork costs without any wall, in a process that holds what the warm process holds
BARE_FORKS = f"""
import gc, os, sys, time
import {{preload}}, sandbox.warm
from sandbox.linux import process
large = numpy.ones({LARGE_MB} << 17)
gc.collect(); gc.freeze(); gc.disable()
process.gather_pages()
for line in sys.stdin:
    begin = time.perf_counter()
    pid = os.fork()
    if pid == 0: os._exit(0)
    os.waitpid(pid, 0)
    print(time.perf_counter() - begin, flush=True)
"""
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
NUMPY, TORCH = ("numpy",), ("numpy", "torch")
INPUTS = {"small": {"x": np.ones(1000)}, "large": {"x": np.ones(LARGE_MB << 17)}}
LIMITS = Limits(wall_s=60, cpu_s=60)


def main() -> None:
    options = _options()
    for line in _table(_measure(options.jobs), options.json):
        print(line)


def _measure(jobs: int) -> dict[str, float]:
    """Give the median seconds of each kind."""
    with ExitStack() as stack:

        def box(level: str, preload: tuple[str, ...]) -> Sandbox:
            opened = Sandbox.open(level=level, preload=preload, inputs=INPUTS, limits=LIMITS)
            return stack.enter_context(opened)

        boxes = {level: box(level, NUMPY) for level in LEVELS if available(level).available}
        strongest = list(boxes)[-1]
        best, with_torch = boxes[strongest], box(strongest, TORCH)
        forks = {name: stack.enter_context(_forks(name)) for name in (NUMPY, TORCH)}
        fewer = max(1, jobs // TORCH_EVERY)

        def job(of: Sandbox) -> Callable[[], float]:
            return lambda: _seconds(lambda: of.run(SMALL))

        kinds: dict[str, tuple[int, Callable[[], float]]] = {
            **{f"job_{level}": (jobs, job(each)) for level, each in boxes.items()},
            "bare_fork": (jobs, lambda: _ask(forks[NUMPY])),
            "job_torch": (fewer, job(with_torch)),
            "bare_fork_torch": (fewer, lambda: _ask(forks[TORCH])),
            "large_result": (fewer, lambda: _seconds(lambda: best.run(LARGE))),
            "stepwise_call": (ROUNDS, lambda: float(best.run(STEPWISE, _items).value)),
            "ping_pong": (ROUNDS, _ping_pong),
            "import_numpy": (1, lambda: _seconds(lambda: _import("numpy"))),
            "import_torch": (1, lambda: _seconds(lambda: _import("torch"))),
            "open": (1, lambda: _opening(strongest, NUMPY)),
            "open_torch": (1, lambda: _opening(strongest, TORCH)),
        }
        taken: dict[str, list[float]] = {name: [] for name in kinds}
        for _ in range(ROUNDS):
            for name, (count, measure) in kinds.items():
                taken[name] += [measure() for _ in range(max(1, count // ROUNDS))]
    return {name: statistics.median(seconds) for name, seconds in taken.items()}


@contextmanager
def _forks(preload: tuple[str, ...]) -> Iterator[subprocess.Popen[str]]:
    """Start a process that forks a bare child for each line it is sent."""
    with subprocess.Popen(
        [sys.executable, "-c", BARE_FORKS.format(preload=", ".join(preload))],
        cwd=ROOT,
        env={**os.environ, **ONE_THREAD},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    ) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


def _opening(level: str, preload: tuple[str, ...]) -> float:
    """Open a sandbox at a level that has been tried out; give the seconds."""
    begin = time.perf_counter()
    with Sandbox.open(level=level, preload=preload, inputs=INPUTS, limits=LIMITS):
        return time.perf_counter() - begin


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


def _import(name: str) -> None:
    subprocess.run([sys.executable, "-c", f"import {name}"], check=True)


NAMES = {
    "job_weak": "one job, level weak",
    "job_container": "one job, level container",
    "job_landlock": "one job, level landlock",
    "job_strict": "one job, level strict",
    "bare_fork": "bare fork of the same process",
    "job_torch": "one job, strongest level, torch held",
    "bare_fork_torch": "bare fork of the same process",
    "large_result": f"one job with a result of {LARGE_MB} MiB",
    "stepwise_call": "one call of a stepwise job",
    "ping_pong": "a byte to a bare process and back",
    "import_numpy": 'python -c "import numpy"',
    "import_torch": 'python -c "import torch"',
    "open": "opening a sandbox, numpy",
    "open_torch": "opening a sandbox, torch",
}


def _table(medians: dict[str, float], as_json: bool) -> list[str]:
    if as_json:
        return [json.dumps({f"{name}_ms": seconds * 1e3 for name, seconds in medians.items()})]
    lines = [f"{'':38}{'median ms':>10}{'x bare fork':>12}{'above it, ms':>13}"]
    for name, seconds in medians.items():
        bare = medians["bare_fork_torch" if name.endswith("torch") else "bare_fork"]
        above = f"{(seconds - bare) * 1e3:13.3f}" if name.startswith("job") else ""
        lines.append(f"{NAMES[name]:38}{seconds * 1e3:10.3f}{seconds / bare:12.2f}{above}")
    return lines


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="What the wall costs.")
    parser.add_argument("--jobs", type=int, default=200, help="jobs to run (default 200)")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    return parser.parse_args()


if __name__ == "__main__":
    main()
