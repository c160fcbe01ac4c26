"""The loop: ask, work, tell, until a limit ends the run or somebody stops it. Begin reading here.

A step is asked (operator and parents drawn from what is known), written by its operator, run
behind the wall, graded, and told. The run object holds the laws; the worker does the walk.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from archive.records import Step
from evolve.run import Run
from evolve.slots import Stopped
from evolve.work import Worker

# After the first request to stop, work that is running may take so long to finish.
GRACE_SECONDS = 30.0

Watch = Callable[[Step], None]


async def search(run: Run, worker: Worker, stop: asyncio.Event, watch: Watch) -> str:
    """Search until the run is over, out of time or stopped; give the reason.

    stop: when set, nothing new is started and what runs may finish. watch: sees each told step.
    Raises: WorldError, TaskError; all told steps are kept, and the run can be resumed.
    """
    await worker.prepare()
    working: set[asyncio.Task[None]] = set()
    stopped = asyncio.create_task(stop.wait())
    try:
        while not (run.over or stop.is_set() or run.out_of_time):
            while not worker.bound and (assignment := run.ask()) is not None:
                working.add(asyncio.create_task(worker.work(assignment)))
            if not working:
                if worker.bound:
                    break
                run.raise_barren()
            await asyncio.wait(
                {*working, stopped}, timeout=run.seconds_left, return_when=asyncio.FIRST_COMPLETED
            )
            working = _take_finished(run, working, watch)
        if not run.over or worker.calls_in_flight:
            worker.stop()
            await _finish_running(run, working, watch)
    finally:
        await _cancel({*working, stopped})
    return run.over or ("interrupted" if stop.is_set() else worker.bound or "hours")


def _take_finished(
    run: Run, working: set[asyncio.Task[None]], watch: Watch
) -> set[asyncio.Task[None]]:
    """Tell what can be told; give the tasks still at work. A broken world is raised here."""
    for task in working:
        if task.done() and not isinstance(task.exception(), Stopped):
            task.result()
    for step in run.tell_ready():
        watch(step)
    return {task for task in working if not task.done()}


async def _finish_running(run: Run, working: set[asyncio.Task[None]], watch: Watch) -> None:
    """Let what runs come to its end, for a while: a call that is cut off is paid for nothing."""
    if working:
        await asyncio.wait(working, timeout=GRACE_SECONDS)
    _take_finished(run, working, watch)


async def _cancel(tasks: Iterable[asyncio.Task[Any]]) -> None:
    ended = [task for task in tasks if task.cancel()]
    await asyncio.gather(*ended, return_exceptions=True)
