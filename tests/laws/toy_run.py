"""A search of the toy task in a process of its own, which may kill itself at a given commit.

    python toy_run.py ARCHIVE --steps N [--workers W] [--die-at I] [--die-holding H] [--resume]
                      [--name NAME] [--model NAME] [--executor ray [--ray KEY=VALUE]]

Boundary I = 2 c is just before the c-th commit of this process, I = 2 c + 1 just after it. With H
it dies holding the H-th lease that it takes, if that is sooner.
"""

import argparse
import itertools
import os
import signal
from dataclasses import replace
from pathlib import Path

from archive.leases import Leases
from archive.store import Archive
from evolve import RunLimits, checkpoint, load_task, open_run, resume_run, search, telling
from evolve.config import ray_settings
from evolve.models.keys import Keys
from evolve.models.names import model_named

# So short searches go through many checkpoints, and are killed between them.
checkpoint.EVERY = 10
# And of what few elites are believed is not written after every confirm step, as of many.
telling.ROWS_PER_CONFIRM_STEP = 1
TOY = Path(__file__).resolve().parent.parent / "tasks" / "toy"


def main(arguments=None):
    parser = argparse.ArgumentParser()
    parser.add_argument("archive")
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rng-seed", type=int, default=5)
    parser.add_argument("--task", default=TOY)
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--model", action="append", default=[])
    parser.add_argument("--operators", type=lambda names: names.split(","))
    parser.add_argument("--die-at", type=int)
    parser.add_argument("--die-holding", type=int)
    parser.add_argument("--name")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--signals", action="store_true")
    parser.add_argument("--executor", default="local")
    parser.add_argument("--ray", action="append", default=[])
    parser.add_argument("--count", action="store_true", help="print how many boundaries there were")
    options = parser.parse_args(arguments)
    limits = RunLimits(steps=options.steps)
    boundaries = Boundaries(options.die_at)
    if options.die_holding is not None:
        Leases.take = take_and_die(Leases.take, options.die_holding)
    with Archive.open(options.archive, on_commit=boundaries) as archive:
        if options.resume and archive.runs():
            run = resume_run(archive.run(options.name), archive=archive, limits=limits)
        else:
            quick = ("grade_ms=0", "pools=1", "probes=1") if options.task == TOY else ()
            task = load_task(options.task, [*quick, *options.set])
            run = open_run(
                task,
                archive=archive,
                rng_seed=options.rng_seed,
                name=options.name,
                limits=limits,
                operators=options.operators,
                models=options.model,
            )
        run.task = replace(run.task, ray=ray_settings(options.ray))
        models = [model_named(name, keys=Keys()) for name in options.model]
        reason = search(
            run,
            workers=options.workers,
            executor=options.executor,
            models=models,
            watch=say,
            signals=options.signals,
        )
        print(reason, flush=True)
    if options.count:
        print(boundaries.count)


class Boundaries:
    """Counts the moments just before and just after each commit, and may die at one."""

    def __init__(self, die_at):
        self.die_at, self.count = die_at, 0

    def __call__(self, moment, name):
        if self.count == self.die_at:
            os.kill(os.getpid(), signal.SIGKILL)
        self.count += 1


def take_and_die(take, number):
    """Take leases, and die holding the one of this number, counted from 1."""
    taken = itertools.count(1)

    def taking(leases, key, seconds):
        is_ours = take(leases, key, seconds)
        if is_ours and next(taken) == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return is_ours

    return taking


def say(step):
    print(f"told {step.n} {step.status}", flush=True)


if __name__ == "__main__":
    main()
