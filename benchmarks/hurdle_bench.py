"""What the hurdle spares and what it costs: the same search with it, without it, and only watched.

    python benchmarks/hurdle_bench.py [--task data_selection] [--steps 150] [--rng-seeds 0] [--json]

Costs are those of running and grading, as the archive has them: nothing of probing, of the start of
processes or of writing rows. Running is in CPU seconds, grading in seconds of a clock, which other
load prolongs; so instances are counted beside them. Each search has an archive of its own, so that
nothing is served. "watched" lets every hopeless program run in full: so it is the search without a hurdle, and
tells of all of them, not of a tenth, how many got a place in the grid.
"""

import argparse
import json
import math
import sys
import tempfile
from collections import Counter

from rich.console import Console
from rich.table import Table

from archive import queries
from archive.store import Archive
from evolve import RunLimits, hurdling, load_task, open_run, search
from evolve.hurdle import CHANCE, QUICK_STAGE
from evolve.statistics import wilson_interval

# The settings of each search, and how many of the hopeless run in full.
SEARCHES = {
    "off": (["search.hurdle=false"], CHANCE),
    "on": (["search.hurdle=true"], CHANCE),
    "watched": (["search.hurdle=true"], 1.0),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--task", default="data_selection")
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--rng-seeds", default="0", help="of the searches, by commas")
    parser.add_argument("--searches", default=",".join(SEARCHES), help="which, by commas")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    seeds = [int(seed) for seed in options.rng_seeds.split(",")]
    rows = []
    for seed in seeds:
        for name in options.searches.split(","):
            rows.append(searched(name, seed, options))
            print(json.dumps(rows[-1]), file=sys.stderr, flush=True)  # each takes minutes
    if options.json:
        print(json.dumps({"options": vars(options), "searches": rows}))
        return
    table = Table(title=f"{options.task}, {options.steps} steps, one search each")
    costs = "running, s", "grading, s", "instances run", "graded"
    names = ("rng_seed", "hurdle", *costs, "stopped", "passed", "wrong", "share wrong")
    for name in (*names, "elites", "QD score", "best fitness"):
        table.add_column(name, justify="left" if name == "hurdle" else "right")
    for row in rows:
        table.add_row(*shown(row))
    Console(width=140).print(table)


def searched(name, rng_seed, options):
    settings, hurdling.CHANCE = SEARCHES[name]
    task = load_task(options.task, ["search.confirm=0", *settings, *options.set])
    with tempfile.TemporaryDirectory() as folder, Archive.open(f"{folder}/bench.db") as archive:
        limits = RunLimits(steps=options.steps)
        run = open_run(task, archive=archive, rng_seed=rng_seed, limits=limits)
        search(run, workers=options.workers)
        record, state = run.state.hurdle, run.state
        held = [elite.fitness for _, elite in state.grid.shown()]
        return {
            "hurdle": name,
            "rng_seed": rng_seed,
            **costs(archive, run.record),
            "evaluations": state.evaluations,
            "stopped": record.stopped,
            "passed": record.passed,
            "wrong": record.wrong,
            "interval": wilson_interval(record.wrong, record.passed) if record.passed else None,
            "off": record.off,
            "elites": len(held),
            "qd_score": math.fsum(fitness - task.spec.qd_offset for fitness in held),
            "best_fitness": max(held),
        }


def costs(archive, run):
    """Add up what running and grading the programs of a run took."""
    total = Counter()
    for row in queries.evaluations(archive, run.id).values():
        total.update(running_s=row.cpu_s, instances_run=row.n)
        total.update(graded(row))
        if row.stage != QUICK_STAGE and row.grade_s == 0.0:
            # Its outputs were known, but perhaps not when it was on the quick stage.
            where = {"task": row.task, "world": row.world, "block": 0, "program": row.program}
            quick = queries.find_evaluation(archive, stage=QUICK_STAGE, **where)
            total.update(graded(quick) if quick else {})
    return dict(total)


def graded(row):
    """Give what grading an evaluation took; nothing where equal outputs had been graded."""
    return {"grading_s": row.grade_s, "instances_graded": row.n if row.grade_s else 0}


def shown(row):
    rate = "-"
    if row["interval"]:
        low, high = row["interval"]
        rate = f"{row['wrong'] / row['passed']:.0%} ({low:.0%} to {high:.0%})"
    times = f"{row['running_s']:.0f}", f"{row['grading_s']:.0f}"
    instances = f"{row['instances_run']:,}", f"{row['instances_graded']:,}"
    counts = str(row["stopped"]), str(row["passed"]), str(row["wrong"])
    quality = str(row["elites"]), f"{row['qd_score']:.3f}", f"{row['best_fitness']:.4f}"
    return str(row["rng_seed"]), row["hurdle"], *times, *instances, *counts, rate, *quality


if __name__ == "__main__":
    main()
