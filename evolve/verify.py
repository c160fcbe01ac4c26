"""Compares the best programs of a run with the baselines on the hidden split `test`.

Apart from the measuring of baselines it alone opens that split. Every look is written down with
the run before anything is read, so that one that is cut off counts too: what was looked at often is
no longer hidden, and a reader can count. A strict look is at test instances that are this run's
alone, which no other run, nor a person choosing among runs, has been told anything about.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from archive import queries
from archive.journal import Journal
from archive.records import EliteRow, Evaluation, Look, RunRecord, Status
from archive.store import Archive
from evolve.assess import TEST, TRAIN, VALID, Assessor, all_of, assessing
from evolve.baselines import current_baselines
from evolve.believed import believed_elites
from evolve.config import SearchSettings
from evolve.errors import UsageError
from evolve.executor import Progress
from evolve.loader import TRIVIAL, Task
from evolve.opening import task_of
from evolve.randomness import derived_seed
from evolve.verdicts import PUBLISHED, TUNED, optimism, program_rows

DEFAULT_TOP = 3
RANDOM = "random"
# Baselines of which a score is known and no program.
SEARCHES = ("random_search", "best_of_n")
# The block of `test` that all runs share, and that baselines.json was measured on.
SHARED_BLOCK = 0
# Numbers of blocks of a run's own: few runs meet by chance, and any task's generator takes them.
NUM_BLOCKS = 2**31 - 1

# Of a program's hash, where it is told of: as long as the longest name of a reference.
SHOWN_LETTERS = len("published")

# Told of each program that was evaluated: (done, total, its name and the split).
Watch = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Reference:
    """A program to compare with: its name and source, and how it was chosen."""

    name: str
    source: str
    chosen: str


def verify(
    archive: Archive,
    record: RunRecord,
    *,
    top: int = DEFAULT_TOP,
    strict: bool = False,
    workers: int | None,
    report: Progress | None = None,
    watch: Watch = lambda done, total, name: None,
) -> dict[str, Any]:
    """Evaluate a run's best elites and the baselines on `test`; give the table of `--json`.

    top: how many elites, see `best_programs`. strict: on test instances that
    are this run's alone; the baselines are evaluated on them too.
    Raises: UsageError if the task has changed or the run has no elite; RunBusy while it runs;
    WorldError, TaskError.
    """
    task = unchanged_task(record)
    programs = best_programs(archive, record, top)
    block = own_block(record) if strict else SHARED_BLOCK
    with archive.write(record) as journal:
        return asyncio.run(_verify(archive, journal, task, programs, block, workers, report, watch))


def own_block(record: RunRecord) -> int:
    """Give the number, from 1, of the block of `test` that belongs to a run's name and rng_seed."""
    return 1 + derived_seed("test", record.name, str(record.rng_seed)) % NUM_BLOCKS


def unchanged_task(record: RunRecord) -> Task:
    """Load a run's task. Raises: UsageError if it is no longer what the run was graded by."""
    task = task_of(record)
    if task.digest != record.task:
        raise UsageError(
            f"the task {task.name} has changed since {record.name} began ({task.folder}): its "
            "scores cannot be compared. Undo the change, or start a new run"
        )
    return task


def best_programs(archive: Archive, record: RunRecord, top: int) -> dict[str, str]:
    """Give the sources of the `top` best elites, {program: source}, best first.

    One of each cell. They rank by the lower end of what is believed of them, one standard error
    below the mean: what was confirmed comes before what may be as much luck. As long as a run that
    confirms has confirmed none, errors of children are to their parents, and the means rank alone.
    Raises: UsageError if there is none.
    """
    elites = believed_elites(archive, record)
    on_one_scale = not SearchSettings.of(record.settings).confirm or any(e.fresh for e in elites)

    def rank(elite: EliteRow) -> tuple[float, int]:
        mean = elite.fitness if elite.mean is None else elite.mean
        return (elite.error or 0.0 if on_one_scale else 0.0) - mean, elite.step

    ranked = sorted(elites, key=rank)
    if not ranked:
        raise UsageError(f"{record.name} has no elite yet: nothing can be verified")
    of_cells: dict[tuple[int, ...], str] = {}
    for elite in ranked:
        of_cells.setdefault(elite.cell, elite.program)
    best = list(dict.fromkeys(of_cells.values()))[:top]
    return {program: queries.program(archive, program).source for program in best}


async def _verify(
    archive: Archive,
    journal: Journal,
    task: Task,
    programs: Mapping[str, str],
    block: int,
    workers: int | None,
    report: Progress | None,
    watch: Watch,
) -> dict[str, Any]:
    measured, stale = current_baselines(task)
    async with assessing(
        task,
        workers=workers,
        min_level=journal.run.settings["min_level"],
        test_is_open=True,
        archive=archive,
        journal=journal,
        report=report,
    ) as assessor:
        references = await _references(assessor, measured)
        sources = {**{name: ref.source for name, ref in references.items()}, **programs}
        look = Look(datetime.now(UTC).isoformat(timespec="microseconds"), tuple(programs), {})
        journal.look(look)
        test, valid = await _evaluate(assessor, sources, block, watch)
        grouping = await assessor.grouping(TEST, block)
    looks = queries.looks(archive, journal.run.id)
    examined = {program for each in looks for program in each.programs}
    result = {
        "run": journal.run.name,
        "task": task.name,
        "split": TEST,
        "strict": block != SHARED_BLOCK,
        "block": block,
        "instances": test[PUBLISHED].n,
        **_baselines(references, test, valid, measured),
        "evaluations": queries.counts(archive, journal.run.id).digests,
        "looks": len(looks),
        "looks_of_all_runs": _looks_of_all_runs(archive, task),
        "examined": len(examined),
        "note": _note(stale, block, measured),
        "left_out": _left_out(archive, journal.run, programs),
        "programs": program_rows(
            programs,
            test,
            valid,
            grouping,
            delta_min=task.spec.delta_min,
            num_examined=len(examined),
        ),
    }
    journal.look_result(replace(look, result=result))
    return result


async def _references(assessor: Assessor, measured: Mapping[str, Any]) -> dict[str, Reference]:
    """Choose what to compare with: never by a look at the test."""
    task = assessor.task
    programs = task.programs()
    if published := measured.get(PUBLISHED):
        name, chosen = published["name"], f"best on {VALID}"
    else:
        name, chosen = (
            await _best_on_train(assessor, programs),
            f"best on {TRAIN}: not measured yet",
        )
    references = {PUBLISHED: Reference(name, programs[name], chosen)}
    if TRIVIAL in programs:
        references[RANDOM] = Reference(TRIVIAL, programs[TRIVIAL], "random choice")
    if tuned := measured.get(TUNED):
        source = (task.folder / tuned["file"]).read_text(encoding="utf-8")
        references[TUNED] = Reference(tuned["name"], source, f"best on {TRAIN}")
    return references


async def _best_on_train(assessor: Assessor, programs: Mapping[str, str]) -> str:
    found = await all_of(assessor.program(s, TRAIN) for s in programs.values())
    fitness = {
        name: evaluation.fitness
        for name, evaluation in zip(programs, found, strict=True)
        if evaluation.fitness is not None
    }
    if not fitness:
        raise UsageError(f"no program of {assessor.task.name} is valid: `evolve check` tells more")
    return max(fitness, key=lambda name: fitness[name])


async def _evaluate(
    assessor: Assessor, sources: Mapping[str, str], block: int, watch: Watch
) -> tuple[dict[str, Evaluation], dict[str, Evaluation]]:
    """Evaluate programs on a block of `test`, and on the first of `valid` to see the optimism."""
    done = 0

    async def one(name: str, source: str, stage: str, number: int) -> Evaluation:
        nonlocal done
        evaluation = await assessor.program(source, stage, number)
        done += 1
        watch(done, 2 * len(sources), f"{name[:SHOWN_LETTERS]} on {stage}")
        return evaluation

    async def each(stage: str, number: int) -> dict[str, Evaluation]:
        found = await all_of(one(*item, stage, number) for item in sources.items())
        return dict(zip(sources, found, strict=True))

    test = await each(TEST, block)
    if test[PUBLISHED].status is not Status.OK:
        reason = test[PUBLISHED].reason
        raise UsageError(f"the published baseline fails on `test`: {reason}; `evolve check` it")
    return test, await each(VALID, 0)


def _baselines(
    references: Mapping[str, Reference],
    test: Mapping[str, Evaluation],
    valid: Mapping[str, Evaluation],
    measured: Mapping[str, Any],
) -> dict[str, Any]:
    """Give what programs are compared with, by what it is; None where it was not measured."""
    shown: dict[str, Any] = {
        name: {
            "name": reference.name,
            "score": test[name].fitness,
            "chosen": reference.chosen,
            **optimism(test[name], valid[name]),
        }
        for name, reference in references.items()
    }
    if TUNED in shown:
        shown[TUNED]["gradings"] = measured[TUNED]["gradings"]
    shown |= {name: measured.get(name) for name in SEARCHES}
    return {name: shown.get(name) for name in (PUBLISHED, TUNED, RANDOM, *SEARCHES)}


def _looks_of_all_runs(archive: Archive, task: Task) -> int:
    """Count the looks at this task's test, by whatever run of this archive."""
    runs = [run.id for run in archive.runs() if run.task == task.digest]
    return sum(len(queries.looks(archive, run)) for run in runs)


def _left_out(archive: Archive, record: RunRecord, programs: Mapping[str, str]) -> str | None:
    """Give the program that elites begin with, if it is not among those that were looked at."""
    first = queries.elites(archive, record.id)[0].program
    return None if first in programs else first


def _note(stale: str | None, block: int, measured: Mapping[str, Any]) -> str | None:
    """Say what keeps the numbers of a look from being compared at face value."""
    notes = [stale] if stale else []
    searched = [name for name in SEARCHES if measured.get(name)]
    if block != SHARED_BLOCK and searched:
        names = " and ".join(name.replace("_", " ") for name in searched)
        notes.append(f"{names}: measured on the test that all runs share, not on this run's own")
    return "; ".join(notes) or None
