"""The searches behind docs/results.md: four arms, five rng_seeds fixed beforehand, one hidden test.

    python benchmarks/results.py --archive results.db

Arms, all with the same number of gradings for the same rng_seed:

- published: the default search from all published programs, `--steps` steps. Its evaluations (told
  steps whose outputs were new to the run, initial programs included) are the number N that ends
  the other arms.
- tuned: the best published program under the operator `tune` alone, N evaluations.
- random: `perturb` and, where the task has a vocabulary, `insert` with uniform parents from the
  initial programs, N evaluations.
- trivial: the default search from the random-choice program alone, N evaluations.

The best elite of each run, by the lower end of what is believed of it, is looked at once on `test`
(`evolve verify`): those of the arm `tuned` first, since the others are compared with its best too.
Everything is kept in the archive: what is finished is not run again, what was cut off is resumed,
and a report of the part that is there can be written at any time (`--only-report`). Each task has a
section of its own on the page.
"""

from __future__ import annotations

import argparse
import math
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from archive import queries
from archive.records import Look, RunRecord, Step
from archive.store import Archive
from evolve.baselines import current_baselines, measure, write_baselines
from evolve.build import num_cores, search
from evolve.config import RunLimits
from evolve.errors import EvolveError
from evolve.loader import TRIVIAL, Task, load_task
from evolve.opening import open_run, resume_run
from evolve.operators import offered
from evolve.run import Run
from evolve.verify import best_programs, verify
from evolve.world import world

ROOT = Path(__file__).resolve().parent.parent
FINISHED = ("steps", "evaluations")
TUNED = "tuned"
# An arm that finds nothing new would search for ever: this many times `--steps` ends it too.
MAX_STEPS_RATIO = 4
STEPS_PER_LINE = 50
BEGIN, END = "<!-- results of {}: written by benchmarks/results.py -->", "<!-- end of {} -->"


@dataclass(frozen=True)
class Arm:
    """One way to search. initial: gives its initial programs from (task, best published)."""

    name: str
    about: str
    initial: Callable[[Task, str], dict[str, str]]
    operators: tuple[str, ...] | None = None
    settings: tuple[str, ...] = ()


def one_program(name: str) -> Callable[[Task, str], dict[str, str]]:
    return lambda task, published: {name: task.programs()[name]}


ARMS = {
    arm.name: arm
    for arm in (
        Arm("published", "search from the published programs", lambda task, _: task.programs()),
        Arm(
            TUNED,
            "best published program, `tune` alone",
            lambda task, published: {published: task.programs()[published]},
            operators=("tune",),
        ),
        Arm(
            "random",
            "random search: `perturb`, `insert`, parents initial",
            lambda task, _: task.programs(),
            operators=("perturb", "insert"),
            settings=("search.parents=initial",),
        ),
        Arm("trivial", "search from random choice alone", one_program(TRIVIAL)),
    )
}


@dataclass(frozen=True)
class Result:
    """One finished and verified run.

    believed: of the program that was verified. run_believed: of the run's best confirmed elite, by which
    runs are compared; the program was taken by the lower end of what is believed, so it may be another.
    """

    arm: str
    rng_seed: int
    program: str
    believed: float
    run_believed: float
    score: float
    difference: float
    standard_error: float
    beats_published: bool
    beats_tuned: bool | None
    evaluations: int
    gradings: int
    steps: int
    minutes: float


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    task = load_task(options.task)
    try:
        with Archive.open(options.archive) as archive:
            if not options.only_report and not run_all(archive, task, options):
                return 130
            report(archive, task, options)
    except EvolveError as error:
        say(f"stopped: {error}")
        say("everything told is kept: the same command continues")
        return error.exit_code
    return 0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("task", nargs="?", default="data_selection")
    parser.add_argument("--archive", default="results.db", help="kept between calls")
    parser.add_argument("--steps", type=int, default=400, help="of the arm `published`")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5], help="rng_seeds")
    parser.add_argument("--arms", default=",".join(ARMS), help="some of " + ", ".join(ARMS))
    parser.add_argument("--workers", type=int, default=num_cores())
    parser.add_argument(
        "--only-report", action="store_true", help="write what is there, run nothing"
    )
    parser.add_argument("--to", type=Path, default=ROOT / "docs" / "results.md")
    options = parser.parse_args(arguments)
    options.arms = [ARMS[name] for name in ARMS if name in options.arms.split(",")]
    return options


def run_all(archive: Archive, task: Task, options: argparse.Namespace) -> bool:
    """Run what is missing, then verify it; give False if somebody stopped it."""
    baselines, missing = current_baselines(task)
    if missing:
        say(f"{missing}; measuring them first")
        baselines = measure(task, workers=options.workers, say=say)
    published = baselines["published"]["name"]
    for arm in options.arms:
        for rng_seed in options.seeds:
            if not run_one(archive, task, arm, rng_seed, published, options):
                return False
    for arm in sorted(options.arms, key=lambda arm: arm.name != TUNED):
        for rng_seed in options.seeds:
            verify_one(archive, task, arm, rng_seed, options.workers)
        if arm.name == TUNED:
            keep_searched(archive, task, results_of(archive, task, options.seeds), options.seeds)
    return True


def run_one(
    archive: Archive,
    task: Task,
    arm: Arm,
    rng_seed: int,
    published: str,
    options: argparse.Namespace,
) -> bool:
    """Bring one run to its end; give False if it was interrupted."""
    limits = limits_of(archive, task, arm, rng_seed, options.steps)
    if limits is None:
        say(
            f"{run_name(task, arm.name, rng_seed)}: waits, since the arm `published` is not finished"
        )
        return True
    record = find_run(archive, task, arm.name, rng_seed)
    if record is None or record.stop_reason not in FINISHED or record.limits != limits.record():
        run = _open(archive, task, arm, rng_seed, published, limits, record)
        reason = search(
            run, workers=options.workers, watch=_watch(run), report=_report, signals=True
        )
        say(f"{run.record.name}: ended by {reason}")
        return reason in FINISHED
    return True


def verify_one(archive: Archive, task: Task, arm: Arm, rng_seed: int, workers: int) -> None:
    """Look at a finished run's best program on the test, once."""
    record = find_run(archive, task, arm.name, rng_seed)
    if record is None or record.stop_reason not in FINISHED or _verified(archive, record):
        return
    verify(archive, record, top=1, workers=workers, report=_report)
    say(f"{record.name}: verified")


def limits_of(
    archive: Archive, task: Task, arm: Arm, rng_seed: int, steps: int
) -> RunLimits | None:
    """Give what ends a run: the arm `published` by steps, all others by its evaluations."""
    if arm.name == "published":
        return RunLimits(steps=steps)
    first = find_run(archive, task, "published", rng_seed)
    if first is None or first.stop_reason not in FINISHED:
        return None
    evaluations = queries.counts(archive, first.id).digests
    return RunLimits(steps=MAX_STEPS_RATIO * steps, evaluations=evaluations)


def find_run(archive: Archive, task: Task, arm: str, rng_seed: int) -> RunRecord | None:
    """Give the run of an arm and rng_seed. A changed task has other runs: its names tell it."""
    name = run_name(task, arm, rng_seed)
    return next((record for record in archive.runs() if record.name == name), None)


def run_name(task: Task, arm: str, rng_seed: int) -> str:
    return f"{arm}-{rng_seed}-{task.digest[:6]}"


def report(archive: Archive, task: Task, options: argparse.Namespace) -> None:
    """Write the tables of what is there, and name what is missing."""
    by_arm = results_of(archive, task, options.seeds)
    results = [result for found in by_arm.values() for result in found]
    if not results:
        raise EvolveError(f"{archive.where}: no finished run of {task.name} as it is now")
    keep_searched(archive, task, by_arm, options.seeds)
    text = "\n".join(
        [
            *heading(archive, task, by_arm, options),
            *summary_table(by_arm),
            "",
            *run_table(results),
        ]
    )
    write_between(options.to, task, text)
    say(text)
    say(f"written to {options.to}")


def results_of(archive: Archive, task: Task, rng_seeds: list[int]) -> dict[str, list[Result]]:
    """Give what is finished and verified, by arm."""
    found = {
        arm: [read_result(archive, task, arm, rng_seed) for rng_seed in rng_seeds] for arm in ARMS
    }
    return {arm: [result for result in results if result] for arm, results in found.items()}


def read_result(archive: Archive, task: Task, arm: str, rng_seed: int) -> Result | None:
    record = find_run(archive, task, arm, rng_seed)
    if record is None or record.stop_reason not in FINISHED:
        return None
    looks = finished_looks(archive, record)
    if not looks:
        return None
    row = looks[-1].result["programs"][0]
    if row["score"] is None:
        raise EvolveError(f"{record.name}: its best program fails on test: {row['reason']}")
    return Result(
        arm=arm,
        rng_seed=rng_seed,
        program=row["program"],
        believed=believed_of(archive, record, row["program"]),
        run_believed=queries.best_fitness(archive)[record.id],
        score=row["score"],
        difference=row["difference"],
        standard_error=row["standard_error"],
        beats_published=row["beats_published"],
        beats_tuned=row["beats_tuned"],
        evaluations=queries.counts(archive, record.id).digests,
        gradings=record.gradings,
        steps=record.told,
        minutes=record.seconds / 60,
    )


def believed_of(archive: Archive, record: RunRecord, program: str) -> float:
    """Give what a run believes of one of its elites."""
    elites = queries.elites(archive, record.id)
    row = next(elite for elite in elites if elite.program == program)
    return row.fitness if row.mean is None else row.mean


def finished_looks(archive: Archive, record: RunRecord) -> list[Look]:
    """Give the looks at the test that came to their end; one that was cut off has no result."""
    return [look for look in queries.looks(archive, record.id) if look.result]


def heading(
    archive: Archive,
    task: Task,
    by_arm: Mapping[str, list[Result]],
    options: argparse.Namespace,
) -> list[str]:
    baselines, _ = current_baselines(task)
    published = baselines.get("published", {"name": "-", "test": math.nan})
    random = baselines.get("random") or {"test": math.nan}
    # What nobody asked for and of which there is no run is not unfinished: it was not run.
    asked = {arm.name for arm in options.arms}
    missing = [
        f"{arm} {rng_seed}"
        for arm, results in by_arm.items()
        if arm in asked or any(find_run(archive, task, arm, each) for each in options.seeds)
        for rng_seed in options.seeds
        if rng_seed not in {result.rng_seed for result in results}
    ]
    lines = [
        f"Task `{task.name}` (digest `{task.digest[:12]}`), split `test`; "
        f"rng_seeds {', '.join(map(str, options.seeds))}, {options.steps} steps from published.",
        f"Best published: `{published['name']}`, {published['test']:.4f} on test; "
        f"random choice {random['test']:.4f}.",
        f"Written {datetime.now(UTC).date().isoformat()} on {num_cores()} cores, "
        f"{platform.machine()}, {world()}, by `{command(task, options)}`.",
    ]
    if missing:
        lines.append(f"**Not finished: {', '.join(missing)}.** The table holds only the others.")
    return [*lines, ""]


def command(task: Task, options: argparse.Namespace) -> str:
    """Give the command that repeats these tables; where files lie is everybody's own."""
    seeds = " ".join(map(str, options.seeds))
    line = f"python benchmarks/results.py {task.name} --steps {options.steps} --seeds {seeds}"
    if len(options.arms) < len(ARMS):
        line += f" --arms {','.join(arm.name for arm in options.arms)}"
    return line


def summary_table(by_arm: Mapping[str, list[Result]]) -> list[str]:
    """Give one line per arm: means over rng_seeds with standard errors over rng_seeds."""
    tuned = {result.rng_seed: result.score for result in by_arm[TUNED]}
    lines = [
        "| arm | rng_seeds | test score | to best published (SE) | positive | beats it "
        "| to tuned, same rng_seed (SE) | positive | beats the best tuned | evaluations |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for arm, results in by_arm.items():
        if not results:
            lines.append(f"| {ARMS[arm].about} | 0 | not run | | | | | | | |")
            continue
        paired = [r.score - tuned[r.rng_seed] for r in results if r.rng_seed in tuned]
        to_tuned = [] if arm == TUNED else paired
        cells = [
            ARMS[arm].about,
            str(len(results)),
            f"{statistics.fmean(r.score for r in results):.4f}",
            *_mean_cells([r.difference for r in results]),
            _count_cell([r.beats_published for r in results]),
            *_mean_cells(to_tuned),
            "" if arm == TUNED else _count_cell([r.beats_tuned for r in results]),
            f"{statistics.fmean(r.evaluations for r in results):.0f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def run_table(results: list[Result]) -> list[str]:
    lines = [
        "| arm | rng_seed | believed | test | to best published (SE over instances) "
        "| beats it | evaluations | gradings made | steps | minutes | program |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for r in results:
        cells = [
            r.arm,
            str(r.rng_seed),
            f"{r.believed:.4f}",
            f"{r.score:.4f}",
            f"{r.difference:+.4f} ({r.standard_error:.4f})",
            "yes" if r.beats_published else "no",
            str(r.evaluations),
            str(r.gradings),
            str(r.steps),
            f"{r.minutes:.1f}",
            f"`{r.program[:8]}`",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def keep_searched(
    archive: Archive, task: Task, by_arm: Mapping[str, list[Result]], rng_seeds: list[int]
) -> None:
    """Write what searches told of the task into its baselines.json, once an arm is complete.

    The tuned program is the one of all rng_seeds that is believed best: a stricter bar than any
    one of them, chosen without a look at the test. All of them are kept in the folder `tuned`. Its
    `gradings` are those of all these searches, since all of them were paid for it; those of random
    search, whose score is a mean over rng_seeds, are a mean too.
    """
    values, stale = current_baselines(task)
    if stale:
        return
    tuned, random, evolved = (by_arm[arm] for arm in (TUNED, "random", "published"))
    if len(tuned) == len(rng_seeds):
        best = max(tuned, key=lambda result: result.run_believed)
        for result in tuned:
            path = task.folder / _tuned_file(result.rng_seed)
            path.parent.mkdir(exist_ok=True)
            path.write_text(queries.program(archive, result.program).source, encoding="utf-8")
        values["tuned"] = {
            "name": f"{values['published']['name']} tuned, rng_seed {best.rng_seed}",
            "file": _tuned_file(best.rng_seed),
            "score": best.score,
            "gradings": sum(result.evaluations for result in tuned),
            **_over_seeds(tuned),
        }
    if len(random) == len(rng_seeds):
        scores = [result.score for result in random]
        values["random_search"] = {
            "score": statistics.fmean(scores),
            "gradings": round(statistics.fmean(result.evaluations for result in random)),
            **_over_seeds(random),
        }
    if len(evolved) == len(rng_seeds):
        values["evolved"] = {
            "score": statistics.fmean(result.score for result in evolved),
            "beats_published": sum(result.beats_published for result in evolved),
            "gradings": round(statistics.fmean(result.evaluations for result in evolved)),
            **_over_seeds(evolved),
        }
    write_baselines(task, values)


def write_between(path: Path, task: Task, text: str) -> None:
    """Replace what stands between the task's marks; what people wrote around them stays.

    A task without a section gets one at the end of the page.
    """
    begin, end = (mark.format(task.name) for mark in (BEGIN, END))
    old = path.read_text(encoding="utf-8") if path.is_file() else "# Results\n"
    if begin not in old:
        old = f"{old.rstrip()}\n\n## {task.name}\n\n{begin}\n{end}\n"
    before, _, rest = old.partition(begin)
    _, closed, after = rest.partition(end)
    if not closed:
        raise EvolveError(f"{path}: has `{begin}` without `{end}`")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")


def say(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {line}" if "\n" not in line else line, flush=True)


def _open(
    archive: Archive,
    task: Task,
    arm: Arm,
    rng_seed: int,
    published: str,
    limits: RunLimits,
    record: RunRecord | None,
) -> Run:
    if record is not None:
        say(f"{record.name}: resumed at {record.told} steps")
        return resume_run(record, archive=archive, limits=limits)
    name = run_name(task, arm.name, rng_seed)
    say(f"{name}: begins, limits {limits.record()}")
    return open_run(
        load_task(task.folder, arm.settings),
        archive=archive,
        rng_seed=rng_seed,
        limits=limits,
        name=name,
        # Without a vocabulary a task has nothing to insert.
        operators=arm.operators and [name for name in arm.operators if name in offered(task.spec)],
        initial=arm.initial(task, published),
    )


def _verified(archive: Archive, record: RunRecord) -> bool:
    """Tell whether the run's best program of now was looked at."""
    looks = finished_looks(archive, record)
    return bool(looks) and looks[-1].programs == tuple(best_programs(archive, record, 1))


def _watch(run: Run) -> Callable[[Step], None]:
    def watch(step: Step) -> None:
        told = (step.told_seq or 0) + 1
        if told % STEPS_PER_LINE == 0:
            best = run.state.best[0].fitness if run.state.best else math.nan
            say(f"{run.record.name}: {told} steps, best {best:.4f} on train")

    return watch


def _report(done: int, total: int, what: str) -> None:
    if done == total:
        say(f"{what}: {total} built")


def _mean_cells(values: list[float]) -> tuple[str, str]:
    if not values:
        return "", ""
    mean = f"{statistics.fmean(values):+.4f}"
    if len(values) > 1:
        mean += f" ({statistics.stdev(values) / math.sqrt(len(values)):.4f})"
    return mean, f"{sum(value > 0 for value in values)} of {len(values)}"


def _count_cell(verdicts: list[bool | None]) -> str:
    known = [verdict for verdict in verdicts if verdict is not None]
    return f"{sum(known)} of {len(known)}" if known else ""


def _tuned_file(rng_seed: int) -> str:
    return f"tuned/rng_seed_{rng_seed}.py"


def _over_seeds(results: list[Result]) -> dict[str, Any]:
    return {
        "rng_seeds": {str(result.rng_seed): result.score for result in results},
        "date": datetime.now(UTC).date().isoformat(),
    }


if __name__ == "__main__":
    sys.exit(main())
