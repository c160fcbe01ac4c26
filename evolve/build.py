"""Puts a search together; the only place that names concrete classes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evolve.calls import Calls
from evolve.embedding import embedder_named
from evolve.errors import UsageError
from evolve.executor import Executor, Progress
from evolve.likeness import Likeness, LikenessModel, is_service
from evolve.local import LocalExecutor
from evolve.loop import Watch
from evolve.loop import search as search_loop
from evolve.messages import Model
from evolve.models.keys import read_keys
from evolve.models.names import models_for
from evolve.opening import services_of
from evolve.replay import Replay, ReplayWorker
from evolve.run import Run
from evolve.work import Worker

# Such models answer what a Python program tells them to.
SCRIPTED = "scripted"


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


def worker_for(run: Run, executor: Executor, calls: Calls | None = None) -> Worker:
    """Give what does the work of a run's steps."""
    if isinstance(run, Replay):
        return ReplayWorker(run, executor, likeness=_likeness(run))
    return Worker(run, executor, calls, _likeness(run))


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
    models: Sequence[Model] = (),
    min_level: str | None = None,
    watch: Watch = lambda step: None,
    report: Progress | None = None,
    signals: bool = False,
    stopping: Callable[[], None] = lambda: None,
) -> str:
    """Search until the run ends, and let it go; give the reason.

    workers: slots on this machine, one per core unless told. models: those whose names the run was
    begun with; made of their names unless handed in. They are closed. signals: take over Ctrl-C and
    SIGTERM; stopping: told of the first of them. Gives "steps", "evaluations",
    "usd", "tokens", "hours" or "interrupted".
    Raises: WorldError, TaskError, ArchiveError: told steps are kept, the run can be resumed;
    Differs for a replay, at the first step that is not the recorded one.
    """

    async def body() -> str:
        stop = asyncio.Event()
        slots = executor_for(
            run, workers=workers or num_cores(), min_level=min_level, report=report
        )
        calls = _calls(run, models)
        with _stopping(stop, stopping) if signals else contextlib.nullcontext():
            try:
                async with slots:
                    return await search_loop(run, worker_for(run, slots, calls), stop, watch)
            finally:
                if calls is not None:
                    await calls.close()

    reason = run.over or "failed"
    try:
        if run.over is None:
            reason = asyncio.run(body())
    except (KeyboardInterrupt, asyncio.CancelledError):
        reason = "interrupted"
    finally:
        run.close(reason)
    return reason


def _calls(run: Run, models: Sequence[Model]) -> Calls | None:
    """Give what calls a run's models; a replay calls none. Raises: UsageError."""
    services = services_of(run.settings)
    if isinstance(run, Replay) or not (run.means.models or services):
        return None
    given = {model.name for model in models}
    missing = [name for name in run.means.models if name not in given]
    keys = read_keys(Path())
    likeness = [
        LikenessModel(Likeness(embedder_named(name, keys=keys)))
        for name in services
        if name not in given
    ]
    if any(name.startswith(SCRIPTED) for name in missing):
        raise UsageError(f"{run.record.name} asks {missing[0]}: hand it in with search(models=...)")
    made = models_for(missing, run.model_settings, keys)
    return Calls([*models, *made, *likeness], run.model_settings)


def _likeness(run: Run) -> Likeness | None:
    """Give what compares texts on this machine; None where a service does, or nothing."""
    name = run.settings.embedder
    if name is None or is_service(name):
        return None
    corpus = [source for _, source in run.initial]
    return Likeness(embedder_named(name, keys=read_keys(Path()), corpus=corpus))


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
