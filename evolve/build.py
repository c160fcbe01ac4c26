"""Puts a search together; the only place that names concrete classes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from archive.records import RunRecord, TaskRecord
from archive.store import Archive
from evolve.config import RunLimits
from evolve.errors import UsageError
from evolve.executor import Progress
from evolve.loader import Task, load_task
from evolve.local import LocalExecutor
from evolve.loop import Watch
from evolve.loop import search as search_loop
from evolve.models import Model
from evolve.operators import OFFLINE, offered
from evolve.operators.base import Operator
from evolve.operators.rewrite import Rewrite
from evolve.run import Run
from evolve.work import Worker
from evolve.world import world

MODEL_OPERATORS: dict[str, Operator] = {"rewrite": Rewrite()}


def open_run(
    task: Task | str | Path,
    *,
    archive: Archive,
    rng_seed: int = 0,
    limits: RunLimits | None = None,
    name: str | None = None,
    operators: Sequence[str] | None = None,
    initial: Mapping[str, str] | None = None,
    model: Model | None = None,
    min_level: str = "weak",
) -> Run:
    """Start a run and become its writer.

    limits: 200 steps unless told. operators: names; all that the task offers without a model
    unless told. initial: {name: source}, the task's programs unless told.
    Raises: UsageError, TaskError, ArchiveError.
    """
    task = task if isinstance(task, Task) else load_task(task)
    programs = dict(initial) if initial is not None else task.programs()
    chosen = choose_operators(task, operators, model)
    record = archive.create_run(
        task=TaskRecord(task.digest, task.name, task.spec.model_dump(mode="json")),
        world=world(),
        settings={
            "task": dict(task.settings),
            "search": task.search.model_dump(),
            "folder": str(task.folder),
            "operators": sorted(chosen),
            # In the run's own row, so that a kill right after it loses none of them.
            "initial": [[key, source] for key, source in programs.items()],
            "min_level": min_level,
        },
        rng_seed=rng_seed,
        lookahead=task.search.lookahead,
        order=task.search.order,
        limits=(limits or RunLimits(steps=200)).record(),
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        name=name,
    )
    return Run(task, archive, archive.write(record), chosen, model=model.name if model else None)


def resume_run(
    record: RunRecord,
    *,
    archive: Archive,
    limits: RunLimits | None = None,
    model: Model | None = None,
) -> Run:
    """Open a run again where it stands, with new limits if told.

    Raises: UsageError if the task or the world has changed since; RunBusy if it is running.
    """
    task = task_of(record)
    if task.digest != record.task:
        raise UsageError(
            f"the task {task.name} has changed since {record.name} began ({task.folder}): its "
            "scores could not be compared. Undo the change, or start a new run with `--from "
            f"{record.name}`"
        )
    if world() != record.world:
        raise UsageError(
            f"{record.name} was begun under {record.world} and this is {world()}: last digits may "
            f"differ. Resume there, or start a new run with `--from {record.name}`"
        )
    chosen = choose_operators(task, record.settings["operators"], model)
    journal = archive.write(record)
    try:
        if limits is not None:
            journal.reopen(limits.record())
        return Run(task, archive, journal, chosen, model=model.name if model else None)
    except BaseException:
        journal.close()
        raise


def task_of(record: RunRecord) -> Task:
    """Load the task of a run with the settings that it was begun with."""
    pairs = [f"{key}={value}" for key, value in record.settings["task"].items()]
    task = load_task(record.settings["folder"], pairs)
    return replace(task, search=task.search.model_validate(record.settings["search"]))


def choose_operators(
    task: Task, names: Sequence[str] | None, model: Model | None = None
) -> dict[str, Operator]:
    """Give the operators of these names, or all that work on the task without a model.

    Raises: UsageError for a name that there is not, or one that this task cannot use.
    """
    possible = offered(task.spec)
    if names is None:
        return dict(possible)
    chosen: dict[str, Operator] = {}
    for name in names:
        known = {**possible, **(MODEL_OPERATORS if model else {})}
        if name not in known:
            why = "is no operator"
            if name in OFFLINE:
                why = "needs a vocabulary in task.toml"
            elif name in MODEL_OPERATORS:
                why = "needs a language model"
            raise UsageError(f"--operators {name}: {why}; there are: {', '.join(sorted(known))}")
        chosen[name] = known[name]
    return chosen


def executor_for(
    run: Run, *, workers: int, min_level: str | None = None, report: Progress | None = None
) -> LocalExecutor:
    """Give the executor that a run's candidates go to. min_level: the run's own unless told."""
    return LocalExecutor(
        run.task,
        run.record.world,
        workers,
        min_level=min_level or run.record.settings["min_level"],
        report=report,
    )


@dataclass
class Stopper:
    """What Ctrl-C does: once, nothing new is started; twice, everything ends now.

    first: told of the first time. again: ends everything.
    """

    event: asyncio.Event
    first: Callable[[], None]
    again: Callable[[], Any]

    def __call__(self) -> None:
        if self.event.is_set():
            self.again()
            return
        self.event.set()
        self.first()


def search(
    run: Run,
    *,
    workers: int | None = None,
    model: Model | None = None,
    min_level: str | None = None,
    watch: Watch = lambda step: None,
    report: Progress | None = None,
    signals: bool = False,
    stopping: Callable[[], None] = lambda: None,
) -> str:
    """Search until the run ends, and let it go; give the reason.

    workers: slots on this machine, one per core unless told. signals: take over Ctrl-C and
    SIGTERM; stopping: told of the first of them. Gives "steps", "evaluations", "hours" or "interrupted".
    Raises: WorldError, TaskError, ArchiveError: told steps are kept, the run can be resumed.
    """

    async def body() -> str:
        stop = asyncio.Event()
        slots = executor_for(
            run, workers=workers or num_cores(), min_level=min_level, report=report
        )
        with _stopping(stop, stopping) if signals else contextlib.nullcontext():
            async with slots:
                return await search_loop(run, Worker(run, slots, model), stop, watch)

    reason = run.over or "failed"
    try:
        if run.over is None:
            reason = asyncio.run(body())
    except (KeyboardInterrupt, asyncio.CancelledError):
        reason = "interrupted"
    finally:
        run.close(reason)
    return reason


def num_cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextlib.contextmanager
def _stopping(stop: asyncio.Event, first: Callable[[], None]) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None
    stopper = Stopper(stop, first, task.cancel)
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopper)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
