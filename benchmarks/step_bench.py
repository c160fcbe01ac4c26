"""Overhead of one step: an empty task, an instant operator, the wall on and all rows committed.

    python benchmarks/step_bench.py [--steps 300] [--json]

Each phase is timed inside one run with one worker; beside them stands a bare fork of this process
in the same run, so that the figures can be read on any machine.
"""

import argparse
import asyncio
import itertools
import json
import os
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from archive.store import Archive
from evolve import RunLimits, load_task
from evolve.build import executor_for
from evolve.loop import search
from evolve.opening import open_run
from evolve.operators.base import Written
from evolve.work import Worker

TASK = Path(__file__).parent / "empty_task"


class Instant:
    """Writes the next number: no syntax, no draft."""

    name, num_parents, share, cost, uses_model, pairing = "instant", 1, 1.0, 1.0, False, "any"

    def suits(self, source):
        return True

    def __init__(self):
        self.numbers = itertools.count(1)

    async def write(self, desk):
        return Written(f"def number(x):\n    return {next(self.numbers)}\n")


class Timed:
    """A thing whose methods add their seconds to a table by name."""

    def __init__(self, thing, names, table):
        self._thing, self._names, self._table = thing, names, table

    def __getattr__(self, name):
        found = getattr(self._thing, name)
        if name not in self._names:
            return found
        phase = self._names[name]
        if asyncio.iscoroutinefunction(found):

            async def timed_async(*args, **kwargs):
                began = time.perf_counter()
                try:
                    return await found(*args, **kwargs)
                finally:
                    self._table.setdefault(phase, []).append(time.perf_counter() - began)

            return timed_async

        def timed(*args, **kwargs):
            began = time.perf_counter()
            try:
                return found(*args, **kwargs)
            finally:
                self._table.setdefault(phase, []).append(time.perf_counter() - began)

        return timed


PHASES = {"probe": "probe behind the wall", "run": "run behind the wall", "grade": "grade"}
COMMITS = {"written": "commit C", "ran": "commit D", "evaluated": "commit E", "tell": "commit F"}


async def measure(run, table):
    run.operators = {"instant": Instant()}
    run.means = replace(run.means, operators=run.operators)
    run.journal = Timed(run.journal, COMMITS, table)
    ends = []
    async with executor_for(run, workers=1) as executor:
        for index, slot in enumerate(executor._slots):
            executor._slots[index] = Timed(slot, PHASES, table)
        executor._free._idle = list(executor._slots)
        await search(
            run, Worker(run, executor), asyncio.Event(), lambda s: ends.append(time.perf_counter())
        )
    return [after - before for before, after in itertools.pairwise(ends)]


def bare_fork():
    began = time.perf_counter()
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    return time.perf_counter() - began


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    table = {}
    with tempfile.TemporaryDirectory() as folder, Archive.open(f"{folder}/bench.db") as archive:
        task = load_task(TASK, ["search.lookahead=1"])
        run = open_run(task, archive=archive, limits=RunLimits(steps=options.steps))
        steps = asyncio.run(measure(run, table))
        run.journal.close()
    forks = [bare_fork() for _ in range(100)]
    rows = {"one step": steps, **table, "bare fork of this process": forks}
    medians = {name: 1e3 * statistics.median(values) for name, values in rows.items()}
    known = sum(medians[name] for name in table)
    medians["operator, fold, event loop (the rest)"] = medians["one step"] - known
    if options.json:
        print(json.dumps({"steps": options.steps, "median_ms": medians}))
        return
    print(f"median of {options.steps} steps, milliseconds, one worker")
    for name, value in sorted(medians.items(), key=lambda item: -item[1]):
        print(f"  {name:40s} {value:7.2f}   {value / medians['one step']:5.2f} of a step")


if __name__ == "__main__":
    main()
