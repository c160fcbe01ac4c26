"""What a run has come to so far, counted as steps are told: what every display shows."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping

from archive.records import Status, Step
from evolve.grid import Elite, GridStats, grid_stats
from evolve.messages import Model, Reply, Request
from evolve.recording import REPLAY_OF
from evolve.run import Run
from evolve.state import State

# The pace is that of so many latest steps, so that a slow start is forgotten.
PACE_STEPS = 100
# Latest elites that a display shows.
LATEST = 5


class Tally:
    """Counts the told steps of a run, those before this sitting included.

    calls: of its models, as they are made. latest: steps that became the elite of their cell in this
    sitting, as they were believed then, the latest last.
    """

    def __init__(
        self,
        run: Run,
        clock: Callable[[], float] = time.monotonic,
        calls: CallsUnderWay | None = None,
    ) -> None:
        self.run, self.calls = run, calls or CallsUnderWay()
        self.latest: deque[tuple[Step, Elite]] = deque(maxlen=LATEST)
        self._clock = clock
        self._moments: deque[float] = deque([clock()], maxlen=PACE_STEPS)

    def add(self, step: Step) -> None:
        """Count a step that was just told."""
        self._moments.append(self._clock())
        held = self.run.state.grid.cells.get(step.cell) if step.cell is not None else None
        if held and held[0].step == step.n:
            self.latest.append((step, held[0]))

    @property
    def statuses(self) -> Mapping[Status, int]:
        """The told steps by status."""
        return {Status(name): number for (name,), number in self.run.totals.under("status").items()}

    @property
    def recognised(self) -> int:
        """The told steps whose outcome was known; which gradings that saved, `hits` tells."""
        return self.run.totals.count("recognised")

    @property
    def best(self) -> Elite | None:
        """The best confirmed elite; while there is none, the best of all."""
        return best_so_far(self.run.state)

    @property
    def challenger(self) -> Elite | None:
        """The best elite that nobody confirmed, if it is believed better than the best confirmed."""
        ranked = self.run.state.ranked
        is_ahead = ranked and not ranked[0].confirmed and ranked[0] != self.best
        return ranked[0] if is_ahead else None

    @property
    def confirms(self) -> int | None:
        """The told confirm steps; None in a run that has none."""
        state = self.run.state
        return state.confirms if state.rules.confirm else None

    @property
    def stats(self) -> GridStats:
        return grid_stats(self.run.state.grid, self.run.task.spec.qd_offset)

    @property
    def asks_models(self) -> bool:
        """Tell whether the run pays for answers; a replay takes those that were paid before."""
        return bool(self.run.means.models) and REPLAY_OF not in self.run.record.settings

    @property
    def failures(self) -> dict[Status, int]:
        """Give the counts of steps that are neither ok nor duplicates, if any."""
        fine, statuses = (Status.OK, Status.DUPLICATE), self.statuses
        return {s: statuses[s] for s in Status if s not in fine and s in statuses}

    @property
    def steps_per_minute(self) -> float | None:
        """Give the pace of the latest steps; None before there is one."""
        moments = tuple(self._moments)
        passed = self._clock() - moments[0]
        return 60 * (len(moments) - 1) / passed if len(moments) > 1 and passed > 0 else None

    @property
    def share(self) -> float:
        """Give how much of the run is done, 0 to 1, by the limit that is nearest."""
        limits, state = self.run.limits, self.run.state
        time_limit = limits.hours and limits.hours * 3600
        bounds = (state.told, limits.steps), (self.run.seconds, time_limit), *self._counted()
        shares = [done / limit for done, limit in bounds if limit]
        return min(1.0, max(shares, default=0.0))

    @property
    def seconds_left(self) -> float | None:
        """Estimate the seconds to the nearest limit; None while nothing tells."""
        limits, pace = self.run.limits, self.steps_per_minute
        left = []
        if limits.steps is not None and pace:
            left.append((limits.steps - self.run.state.told) * 60 / pace)
        for done, limit in self._counted():
            if limit and pace and done:
                # As many steps to each of them as so far.
                steps = (limit - done) * self.run.state.told / done
                left.append(steps * 60 / pace)
        if limits.hours is not None:
            left.append(limits.hours * 3600 - self.run.seconds)
        return max(0.0, min(left)) if left else None

    def _counted(self) -> tuple[tuple[float, float | None], ...]:
        """Give what grows with the steps, and its limit."""
        limits, record = self.run.limits, self.run.record
        return (
            (self.run.state.evaluations, limits.evaluations),
            (record.usd, limits.usd),
            (record.tokens, limits.tokens),
        )


def best_so_far(state: State) -> Elite | None:
    """Give the best confirmed elite; while there is none, the best of all."""
    return state.best_confirmed or next(iter(state.ranked), None)


class CallsUnderWay:
    """Counts the calls of models that are under way."""

    def __init__(self) -> None:
        self.number = 0

    def counted(self, model: Model) -> Model:
        """Give a model that is asked through this count."""
        return _CountedModel(model, self)


class _CountedModel:
    """Asks another model."""

    def __init__(self, model: Model, calls: CallsUnderWay) -> None:
        self.name = model.name
        self._model, self._calls = model, calls

    async def complete(self, request: Request, timeout_s: float) -> Reply:
        self._calls.number += 1
        try:
            return await self._model.complete(request, timeout_s)
        finally:
            self._calls.number -= 1

    async def close(self) -> None:
        await self._model.close()
