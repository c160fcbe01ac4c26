"""How far one driver goes: the real run, journal, archive and grid under simulated slots.

    python benchmarks/scale_bench.py [--steps 10000] [--slots 1000] [--order step|arrival]
        [--confirm 0.1] [--archive FILE|URL | --postgres memory|disk] [--profile] [--json]

At 1,000, 10,000, 100,000 and 1,000,000 steps it writes down what the last tenth (10,000 steps at the most,
and of a run that is gone on with the second half of what is done now) cost per step, the memory of this
process and the size of the archive; at the end it opens the run again in a process of its own and times
the tables: what was at work at the last mark is told by then, too. An archive that is there already is
gone on with.
`--postgres` starts a PostgreSQL server of this machine for it: with its files in memory, or on the disk
with every commit flushed.
"""

import argparse
import asyncio
import cProfile
import json
import os
import pstats
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "servers"))
import psycopg
from bulk import fill
from own_postgres import PostgresServer, plain_url
from simulated import TASK, Clock, Drift, SimulatedExecutor

from archive.store import Archive
from evolve import RunLimits, load_task
from evolve.loop import search
from evolve.opening import open_run
from evolve.run import Run
from evolve.work import Worker

MARKS = (1_000, 10_000, 100_000, 1_000_000)
MOST_WINDOW = 10_000
TABLES = ("elites", "map", "status", "runs")
REPEATS = 3
MB = 2**20


class Progress:
    """Measures the driver as steps are told, over the last tenth before each mark."""

    def __init__(self, place, executor, told, steps):
        self.place, self.executor, self.stop = place, executor, asyncio.Event()
        self.started = self.told = told
        self.marks = sorted({m for m in MARKS if told < m < steps} | {steps})
        self.begins = {self._beginning(mark): mark for mark in self.marks}
        self.rows, self._began = [], {}
        self._see()

    def __call__(self, step):
        self.told += 1
        self._see()

    def _beginning(self, mark):
        """Give where the window of a mark begins; the first steps of a sitting find caches empty."""
        return max(mark - min(mark // 10, MOST_WINDOW), (self.started + mark) // 2)

    def _see(self):
        if self.told in self._began:
            self.rows.append(self._row(*self._began.pop(self.told)))
        if self.told == self.marks[-1]:
            self.stop.set()
        if mark := self.begins.get(self.told):
            self._began[mark] = (
                self.told,
                self.executor.ran,
                time.perf_counter(),
                time.process_time(),
            )

    def _row(self, first, ran, wall, cpu):
        steps, passed = self.told - first, asyncio.get_running_loop().time()
        seconds, cpu_s = time.perf_counter() - wall, time.process_time() - cpu
        return {
            "steps": self.told,
            "steps_per_s": steps / seconds,
            "results_per_s": (self.executor.ran - ran) / seconds,
            "ms_per_step": 1e3 * seconds / steps,
            "cpu_ms_per_step": 1e3 * cpu_s / steps,
            "memory_mb": memory_mb(),
            "archive_mb": archive_mb(self.place),
            "slots_busy": self.executor.busy / max(passed, 1e-9) / self.executor.num_slots,
        }


def memory_mb():
    """Give the resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / MB


def archive_mb(place):
    if "://" in str(place):
        with psycopg.connect(plain_url(place)) as connection:
            return (
                connection.execute("SELECT pg_database_size(current_database())").fetchone()[0] / MB
            )
    files = (Path(f"{place}{end}") for end in ("", "-wal"))
    return sum(file.stat().st_size for file in files if file.exists()) / MB


def opened(archive, options, beyond=0):
    """Open the run of an archive for so many steps and some: a new one, or the one that is there."""
    limits = RunLimits(steps=options.steps + beyond)
    if not archive.runs():
        lookahead = lookahead_of(options)
        settings = [
            f"search.lookahead={lookahead}",
            f"search.order={options.order}",
            f"search.confirm={options.confirm}",
            f"instances={options.instances}",
        ]
        run = open_run(load_task(TASK, settings), archive=archive, limits=limits)
        run.operators = {"drift": Drift()}
        run.means = replace(run.means, operators=run.operators)
        return run
    return resumed(archive, limits)


def lookahead_of(options):
    return min(2 * options.slots, 4096)


def resumed(archive, limits=None):
    """Open the run of an archive again, as `resume_run` does, with the operator of the simulation."""
    record = archive.run()
    task = replace(load_task(TASK), settings=record.settings["task"])
    journal = archive.write(record)
    if limits is not None:
        journal.reopen(limits.record())
    return Run(task, archive, journal, {"drift": Drift()})


def drive(run, executor, watch):
    """Search to the end on the simulated clock."""
    with asyncio.Runner(loop_factory=Clock) as runner:
        return runner.run(search(run, Worker(run, executor), asyncio.Event(), watch))


def simulate(place, options):
    """Drive the run of an archive; give a row per mark."""
    executor = SimulatedExecutor(options.slots, options.instances)
    with Archive.open(place) as archive:
        # Up to the last mark a step is asked for every one that is told, as in a run that goes on.
        beyond = lookahead_of(options)
        run = opened(archive, options, beyond)
        if options.fill > run.state.told:
            run.limits = RunLimits(steps=options.fill)
            fill(run, options.instances, lambda step: None)
            run.close("interrupted")
            run = opened(archive, options, beyond)
        if run.state.told >= options.steps:
            sys.exit(
                f"{place}: {run.state.told} steps are told already; --steps says how many there shall be"
            )
        progress = Progress(place, executor, run.state.told, options.steps)

        async def body():
            progress.begins and progress._see()
            return await search(run, Worker(run, executor), progress.stop, progress)

        profile = cProfile.Profile() if options.profile else None
        if profile:
            profile.enable()
        with asyncio.Runner(loop_factory=Clock) as runner:
            reason = runner.run(body())
        if profile:
            profile.disable()
            pstats.Stats(profile).sort_stats("tottime").print_stats(45)
        facts = {
            "elites": sum(map(len, run.state.grid.cells.values())),
            "evaluations": run.state.evaluations,
            "confirms": run.state.confirms,
        }
        run.close(reason)
    return progress.rows, facts


def resume_in_its_own_process(place):
    """Open the run again; give the seconds and the peak memory of that."""
    script = [sys.executable, __file__, "--resume-only", "--archive", str(place)]
    return json.loads(subprocess.run(script, check=True, capture_output=True).stdout)


def resume_only(place):
    with Archive.open(place) as archive:
        began, cpu = time.perf_counter(), time.process_time()
        run = resumed(archive)
        found = {
            "seconds": time.perf_counter() - began,
            "cpu_s": time.process_time() - cpu,
            "told": run.state.told,
            "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }
        run.close("steps")
    print(json.dumps(found))


def table_seconds(place):
    """Time the tables as a person waits for them, start of Python included."""
    return {name: statistics.median(_table(name, place) for _ in range(REPEATS)) for name in TABLES}


def _table(name, place):
    began = time.perf_counter()
    script = [sys.executable, "-m", "evolve", name, "--archive", str(place)]
    subprocess.run(script, check=True, capture_output=True)
    return time.perf_counter() - began


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--slots", type=int, default=1_000)
    parser.add_argument("--instances", type=int, default=8)
    parser.add_argument("--order", choices=("step", "arrival"), default="arrival")
    parser.add_argument("--confirm", type=float, default=0.1)
    parser.add_argument("--archive")
    parser.add_argument(
        "--postgres", choices=("memory", "disk"), help="the archive on a server of our own"
    )
    parser.add_argument(
        "--fill", type=int, default=0, help="begin with so many told in bulk (SQLite)"
    )
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--resume-only", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.resume_only:
        resume_only(options.archive)
        return
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        place = options.archive or f"{folder}/scale.db"
        if options.postgres:
            server = PostgresServer(flushing=options.postgres == "disk")
            place = stack.enter_context(server).url
        rows, facts = simulate(place, options)
        resume, tables = resume_in_its_own_process(place), table_seconds(place)
    found = {"slots": options.slots, "order": options.order, "confirm": options.confirm}
    found |= {"marks": rows, **facts, "resume": resume, "tables_s": tables}
    print(json.dumps(found) if options.json else drawn(found))


def drawn(found):
    lines = [
        f"{found['slots']} simulated slots, order {found['order']}, confirm {found['confirm']}"
    ]
    lines += ["    steps  steps/s  results/s  ms/step  CPU ms  memory MB  archive MB  slots busy"]
    lines += [
        f"{row['steps']:9d} {row['steps_per_s']:8.0f} {row['results_per_s']:10.0f} {row['ms_per_step']:8.2f} "
        f"{row['cpu_ms_per_step']:7.2f} {row['memory_mb']:10.0f} {row['archive_mb']:11.1f} "
        f"{row['slots_busy']:11.2f}"
        for row in found["marks"]
    ]
    resume = found["resume"]
    lines += [
        f"resume of {resume['told']} told steps: {resume['seconds']:.1f} s "
        f"(CPU {resume['cpu_s']:.1f} s), peak {resume['peak_mb']:.0f} MB"
    ]
    lines += [f"evolve {name}: {seconds:.2f} s" for name, seconds in found["tables_s"].items()]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
