"""Both cores busy: two workers against one on data_selection, side by side in one run.

    python benchmarks/workers_bench.py [--task data_selection] [--steps 40] [--pairs 3] [--json]

Each run has an archive of its own, so that nothing is served; the pairs alternate which is first.
"""

import argparse
import json
import statistics
import tempfile
import time

from archive.store import Archive
from evolve import RunLimits, load_task, open_run, search


def steps_per_second(task, steps, workers):
    """Time from the first told step on: starting graders is another matter."""
    moments = []
    with tempfile.TemporaryDirectory() as folder, Archive.open(f"{folder}/bench.db") as archive:
        run = open_run(task, archive=archive, limits=RunLimits(steps=steps))
        search(run, workers=workers, watch=lambda step: moments.append(time.perf_counter()))
    return (len(moments) - 1) / (moments[-1] - moments[0])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", default="data_selection")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    task, rows = load_task(options.task), []
    steps_per_second(task, 2, 1)  # artefacts are built once, before anything is timed
    for pair in range(options.pairs):
        order = (1, 2) if pair % 2 == 0 else (2, 1)
        rows.append({n: steps_per_second(task, options.steps, n) for n in order})
    ratios = [row[2] / row[1] for row in rows]
    if options.json:
        print(
            json.dumps({"steps": options.steps, "pairs": rows, "ratio": statistics.median(ratios)})
        )
        return
    print(f"{options.task}, {options.steps} steps, {options.pairs} pairs")
    for row in rows:
        print(
            f"  one worker {row[1]:6.2f} steps/s   two {row[2]:6.2f}   ratio {row[2] / row[1]:.2f}"
        )
    print(f"  median ratio {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main()
