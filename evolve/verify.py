"""Compares the best programs of a run with the baselines on the hidden split `test`.

Apart from the measuring of baselines it alone opens that split. Every look is written down with
the run before anything is read, so that one that is cut off counts too: what was looked at often is
no longer hidden, and a reader can count.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from archive import queries
from archive.journal import Journal
from archive.records import Evaluation, Look, RunRecord, Status
from archive.store import Archive
from evolve.assess import TEST, TRAIN, VALID, Assessor, all_of, assessing
from evolve.baselines import current_baselines
from evolve.build import task_of
from evolve.errors import UsageError
from evolve.executor import Progress
from evolve.loader import TRIVIAL, Task
from evolve.statistics import Comparison, Grouping, beats, compare, holm

DEFAULT_TOP = 3

# Told of each program that was evaluated: (done, total, its name).
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
    workers: int,
    report: Progress | None = None,
    watch: Watch = lambda done, total, name: None,
) -> dict[str, Any]:
    """Evaluate a run's best elites and the baselines on `test`; give the table of `--json`.

    top: how many elites, the best shown ones by fitness on `train`.
    Raises: UsageError if the task has changed or the run has no elite; RunBusy while it runs;
    WorldError, TaskError.
    """
    task = unchanged_task(record)
    programs = best_programs(archive, record, top)
    with archive.write(record) as journal:
        return asyncio.run(_verify(archive, journal, task, programs, workers, report, watch))


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
    """Give the sources of the `top` best shown elites, {program: source}, best first.

    Raises: UsageError if there is none.
    """
    shown = [elite.program for elite in queries.elites(archive, record.id) if elite.slot == 0]
    if not shown:
        raise UsageError(f"{record.name} has no elite yet: nothing can be verified")
    best = list(dict.fromkeys(shown))[:top]
    return {program: queries.program(archive, program).source for program in best}


async def _verify(
    archive: Archive,
    journal: Journal,
    task: Task,
    programs: Mapping[str, str],
    workers: int,
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
        evaluations = await _evaluate(assessor, sources, watch)
        grouping = await assessor.grouping(TEST)
    result = {
        "run": journal.run.name,
        "task": task.name,
        "split": TEST,
        "instances": evaluations["published"].n,
        "published": _shown(references["published"], evaluations["published"]),
        "tuned": _with_gradings(references, evaluations, measured),
        "random": _shown(references.get("random"), evaluations.get("random")),
        "random_search": measured.get("random_search"),
        "best_of_n": measured.get("best_of_n"),
        "looks": len(queries.looks(archive, journal.run.id)),
        "note": stale,
        "programs": _rows(task, programs, evaluations, grouping),
    }
    journal.look_result(replace(look, result=result))
    return result


async def _references(assessor: Assessor, measured: Mapping[str, Any]) -> dict[str, Reference]:
    """Choose what to compare with: never by a look at the test."""
    task = assessor.task
    programs = task.programs()
    if published := measured.get("published"):
        name, chosen = published["name"], f"best on {VALID}"
    else:
        name, chosen = (
            await _best_on_train(assessor, programs),
            f"best on {TRAIN}: not measured yet",
        )
    references = {"published": Reference(name, programs[name], chosen)}
    if TRIVIAL in programs:
        references["random"] = Reference(TRIVIAL, programs[TRIVIAL], "random choice")
    if tuned := measured.get("tuned"):
        source = (task.folder / tuned["file"]).read_text(encoding="utf-8")
        references["tuned"] = Reference(tuned["name"], source, f"best on {TRAIN}")
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
    assessor: Assessor, sources: Mapping[str, str], watch: Watch
) -> dict[str, Evaluation]:
    done = 0

    async def one(name: str, source: str) -> Evaluation:
        nonlocal done
        evaluation = await assessor.program(source, TEST)
        done += 1
        watch(done, len(sources), name)
        return evaluation

    found = await all_of(one(name, source) for name, source in sources.items())
    evaluations = dict(zip(sources, found, strict=True))
    if evaluations["published"].status is not Status.OK:
        reason = evaluations["published"].reason
        raise UsageError(f"the published baseline fails on `test`: {reason}; `evolve check` it")
    return evaluations


def _rows(
    task: Task,
    programs: Mapping[str, str],
    evaluations: Mapping[str, Evaluation],
    grouping: Grouping,
) -> list[dict[str, Any]]:
    """Compare each program with both baselines; p values are corrected over all programs."""
    published = _compared(programs, evaluations, "published", grouping)
    tuned = _compared(programs, evaluations, "tuned", grouping)
    p_published, p_tuned = _corrected(published), _corrected(tuned)
    rows = []
    for program in programs:
        evaluation, against = evaluations[program], published.get(program)
        row: dict[str, Any] = {
            "program": program,
            "status": evaluation.status.value,
            "reason": evaluation.reason,
            "score": evaluation.fitness,
            "difference": against and against.difference,
            "standard_error": against and against.standard_error,
            "interval": list(against.interval) if against else None,
            "p": p_published.get(program),
            "agreement": against and against.agreement,
            "beats_published": against is not None
            and beats(against, task.spec.delta_min, p_published[program]),
            "difference_tuned": tuned[program].difference if program in tuned else None,
            "standard_error_tuned": tuned[program].standard_error if program in tuned else None,
            "beats_tuned": beats(tuned[program], task.spec.delta_min, p_tuned[program])
            if program in tuned
            else None,
        }
        rows.append(row)
    return rows


def _compared(
    programs: Sequence[str] | Mapping[str, str],
    evaluations: Mapping[str, Evaluation],
    reference: str,
    grouping: Grouping,
) -> dict[str, Comparison]:
    """Compare the programs that are ok on `test`; {} if the reference was not measured."""
    other = evaluations.get(reference)
    if other is None or other.status is not Status.OK:
        return {}
    return {
        program: compare(evaluations[program].scores, other.scores, grouping)
        for program in programs
        if evaluations[program].status is Status.OK
    }


def _corrected(comparisons: Mapping[str, Comparison]) -> dict[str, float]:
    adjusted = holm([comparison.p for comparison in comparisons.values()])
    return dict(zip(comparisons, adjusted, strict=True))


def _shown(reference: Reference | None, evaluation: Evaluation | None) -> dict[str, Any] | None:
    if reference is None or evaluation is None:
        return None
    return {"name": reference.name, "score": evaluation.fitness, "chosen": reference.chosen}


def _with_gradings(
    references: Mapping[str, Reference],
    evaluations: Mapping[str, Evaluation],
    measured: Mapping[str, Any],
) -> dict[str, Any] | None:
    shown = _shown(references.get("tuned"), evaluations.get("tuned"))
    return shown and {**shown, "gradings": measured["tuned"]["gradings"]}
