"""What people wait for: help, tables and resume on an archive of many programs.

    python benchmarks/tables_bench.py [--steps 10000] [--json]

The archive is written by the real journal and told by the real run, with made-up evaluations.
"""

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from archive.records import Evaluation, Status
from archive.store import Archive
from evolve import RunLimits, load_task, open_run, resume_run
from evolve.hashing import plain_digest

TASK = Path(__file__).parent / "empty_task"
REPEATS = 5


def fill(archive, steps):
    """Tell so many steps; one in four is a duplicate, as in a real search."""
    run = open_run(
        load_task(TASK, ["search.confirm=0"]), archive=archive, limits=RunLimits(steps=steps)
    )
    luck = random.Random(0)
    while (assignment := run.ask()) is not None:
        number = luck.randrange(3 * steps)
        text = f"def number(x):\n    return {number}\n"
        made_up = Evaluation(
            task="",
            world="",
            stage="",
            block=0,
            program="",
            status=Status.OK,
            outputs_digest=plain_digest(text),
            fitness=float(number),
            n=1,
            scores={"train-0": float(number)},
            measures={"low": number % 10 / 10, "high": number // 10 % 10 / 10},
        )
        run.tell(assignment, text, made_up)
    run.close("steps")


def timed(command):
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - began


def resume_seconds(place):
    with Archive.open(place) as archive:
        began = time.perf_counter()
        run = resume_run(archive.run(), archive=archive)
        seconds = time.perf_counter() - began
        run.close("steps")
    return seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    evolve = [sys.executable, "-m", "evolve"]
    with tempfile.TemporaryDirectory() as folder:
        place = f"{folder}/bench.db"
        began = time.perf_counter()
        with Archive.open(place) as archive:
            fill(archive, options.steps)
        filled = time.perf_counter() - began
        commands = {
            "python -c pass (for scale)": [sys.executable, "-c", "pass"],
            "evolve --help": [*evolve, "--help"],
            "evolve elites": [*evolve, "elites", "--archive", place],
            "evolve map": [*evolve, "map", "--archive", place],
            "evolve map --axes high,low": [
                *evolve,
                "map",
                "--axes",
                "high,low",
                "--archive",
                place,
            ],
            "evolve status": [*evolve, "status", "--archive", place],
        }
        seconds = {
            name: statistics.median(timed(command) for _ in range(REPEATS))
            for name, command in commands.items()
        }
        resumes = [resume_seconds(place) for _ in range(REPEATS)]
    seconds[f"resume of {options.steps} steps (fold)"] = statistics.median(resumes)
    seconds["one told step, archive only"] = filled / options.steps
    if options.json:
        print(json.dumps({"steps": options.steps, "median_s": seconds}))
        return
    print(f"median of {REPEATS}, seconds, archive of {options.steps} steps")
    for name, value in seconds.items():
        print(f"  {name:36s} {value:8.4f}")


if __name__ == "__main__":
    main()
