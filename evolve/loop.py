"""The loop: ask, work, tell, until a limit ends the run or somebody stops it. Begin reading here.

A step is asked (operator and parents drawn from what is known), written by its operator, run
behind the wall, graded, and told. The run object holds the laws; the worker does the walk.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from archive.records import Step
from evolve.collector import Past, seldom_collected
from evolve.crew import Crew
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
    with seldom_collected(run.state.told) as past:
        return await _search(run, worker, stop, watch, past)


async def _search(run: Run, worker: Worker, stop: asyncio.Event, watch: Watch, past: Past) -> str:
    crew = Crew()
    stopped = asyncio.create_task(stop.wait())
    stopped.add_done_callback(crew.wake)
    try:
        while not (run.over or stop.is_set() or run.out_of_time):
            while not worker.bound and (assignment := run.ask()) is not None:
                crew.start(worker.work(assignment))
            if not crew.working:
                if worker.bound:
                    break
                run.raise_barren()
            await crew.wait(run.seconds_left)
            _take_finished(run, crew, watch)
            past.extend(run.state.told)
        if not run.over or worker.calls_in_flight:
            worker.stop()
            await _finish_running(run, crew, watch)
    finally:
        stopped.cancel()
        await crew.dismiss()
    return run.over or ("interrupted" if stop.is_set() else worker.bound or "hours")


def _take_finished(run: Run, crew: Crew, watch: Watch) -> None:
    """Tell what can be told. A broken world is raised here."""
    for error in crew.failures():
        if not isinstance(error, Stopped):
            raise error
    for step in run.tell_ready():
        watch(step)


async def _finish_running(run: Run, crew: Crew, watch: Watch) -> None:
    """Let what runs come to its end, for a while: a call that is cut off is paid for nothing."""
    if crew.working:
        await asyncio.wait(crew.working, timeout=GRACE_SECONDS)
    _take_finished(run, crew, watch)
