"""Puts a search together; the only place that names concrete classes."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evolve.calls import Calls
from evolve.config import RaySettings
from evolve.embedding import embedder_named
from evolve.errors import EvolveError, UsageError
from evolve.executor import EXECUTORS, LOCAL, RAY, Executor, OpenExecutor, Progress
from evolve.gpus import slots_for
from evolve.likeness import Likeness, LikenessModel, is_service
from evolve.loader import Task
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
from sandbox import SandboxError

# Such models answer what a Python program tells them to.
SCRIPTED = "scripted"


def executor_for(
    run: Run,
    *,
    kind: str = LOCAL,
    workers: int | None = None,
    min_level: str | None = None,
    report: Progress | None = None,
) -> OpenExecutor:
    """Give the executor that a run's candidates go to.

    kind: "local" or "ray", where the task's ray settings say. workers: what this machine
    (see `num_slots`) or the cluster has room for, unless told. min_level: the run's own unless told.
    Raises: UsageError for a kind that there is not, or that is not installed.
    """
    task, world = run.task, run.record.world
    lowest = min_level or run.record.settings["min_level"]
    check_executor(kind, task.ray)
    if kind == LOCAL:
        slots = num_slots(task, workers)
        return LocalExecutor(task, world, slots, min_level=lowest, report=report)
    from evolve.ray_executor import RayExecutor  # seconds to load, and an extra

    return RayExecutor(task, world, workers, task.ray, min_level=lowest, report=report)


def check_executor(kind: str, ray: RaySettings) -> None:
    """See that there is such an executor, before anything is begun.

    Raises: UsageError; WorldError if no cluster answers where the settings say.
    """
    if kind not in EXECUTORS:
        raise UsageError(f"--executor {kind}: there are: {', '.join(EXECUTORS)}")
    if kind != RAY:
        if told := ray.told:
            raise UsageError(f"--set {told[0]} is of no use here: add --executor ray")
        return
    if importlib.util.find_spec("ray") is None:
        raise UsageError("--executor ray needs the package ray: pip install 'evolve-search[ray]'")
    from evolve.ray_cluster import address_of  # seconds to load, and an extra

    address_of(ray)


def worker_for(run: Run, executor: Executor, calls: Calls | None = None) -> Worker:
    """Give what does the work of a run's steps."""
    if isinstance(run, Replay):
        return ReplayWorker(run, executor, likeness=_likeness(run))
    return Worker(run, executor, calls, _likeness(run))


@dataclass
class Stopper:
    """What Ctrl-C does: once, nothing new is started; twice, everything ends now.

    first: told of the first time. again: ends everything. has_begun: before, there is nothing that
    could come to its end, so the first time ends everything too.
    """

    event: asyncio.Event
    first: Callable[[], None]
    again: Callable[[], Any]
    has_begun: bool = False

    def __call__(self) -> None:
        if self.event.is_set() or not self.has_begun:
            self.event.set()
            self.again()
            return
        self.event.set()
        self.first()


def search(
    run: Run,
    *,
    workers: int | None = None,
    executor: str = LOCAL,
    models: Sequence[Model] = (),
    min_level: str | None = None,
    watch: Watch = lambda step: None,
    report: Progress | None = None,
    signals: bool = False,
    stopping: Callable[[int], None] = lambda running: None,
) -> str:
    """Search until the run ends, and let it go; give the reason.

    workers: slots; executor: where they are, see `executor_for`. models: those whose names the run was
    begun with; made of their names unless handed in. They are closed. signals: take over Ctrl-C and
    SIGTERM; stopping: told, at the first of them, how many slots are at work. Gives "steps", "evaluations",
    "usd", "tokens", "hours" or "interrupted".
    Raises: WorldError, TaskError, ArchiveError: told steps are kept, the run can be resumed;
    Differs for a replay, at the first step that is not the recorded one.
    """

    async def body() -> str:
        stop, worker = asyncio.Event(), None

        def first() -> None:
            stopping(worker.slots.busy if worker else 0)

        slots = executor_for(
            run, kind=executor, workers=workers, min_level=min_level, report=report
        )
        calls = _calls(run, models)
        with _stopping(stop, first) if signals else contextlib.nullcontext() as stopper:
            try:
                async with slots:
                    worker = worker_for(run, slots, calls)
                    if stopper is not None:
                        stopper.has_begun = True
                    return await search_loop(run, worker, stop, watch)
            finally:
                if calls is not None:
                    await calls.close()

    reason, why = run.over or "failed", None
    try:
        if run.over is None:
            reason = asyncio.run(body())
    except (KeyboardInterrupt, asyncio.CancelledError):
        reason = "interrupted"
    except (EvolveError, SandboxError, OSError) as error:
        why = str(error)
        raise
    finally:
        run.close(reason, why)
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


def num_slots(task: Task, told: int | None = None) -> int:
    """Give how many slots of this machine a task gets: as told, or what cores and GPUs hold.

    Raises: UsageError where the task was told to use a GPU and there is none.
    """
    return slots_for(task, told, num_cores())


def num_cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextlib.contextmanager
def _stopping(stop: asyncio.Event, first: Callable[[], None]) -> Iterator[Stopper]:
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None
    stopper = Stopper(stop, first, task.cancel)
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopper)
    try:
        yield stopper
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
