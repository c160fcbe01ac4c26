"""What a person sees who watches all runs of an archive, whoever writes them: `evolve runs --watch`."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from archive import queries
from archive.errors import ArchiveError
from archive.store import Archive
from evolve.documents import state_name
from evolve.drawing import NO_VALUE, STATE_STYLES, clock, new_table, number

# The pace is that of the last minute, so that what a run did yesterday is forgotten.
PACE_S = 60.0
# Of a terminal's lines: the heading of the table, its rule, what it does not show, and the note.
OTHER_LINES = 5
RUNNING = "running"


@dataclass(frozen=True, slots=True)
class Seen:
    """A run at one moment. limit: on its steps, None where something else ends it."""

    name: str
    task: str
    state: str
    told: int
    limit: int | None
    best: float | None

    @property
    def progress(self) -> str:
        return f"{self.told}/{self.limit}" if self.limit else str(self.told)


class Watched:
    """A run over a time of watching. `now` is a clock in seconds, the same for all of it."""

    def __init__(self, seen: Seen, now: float) -> None:
        self.seen = seen
        self.moved: float | None = None  # when a step was told last; before we looked, nobody knows
        self._moments = deque([(now, seen.told)])

    def see(self, seen: Seen, now: float) -> None:
        """Take in what the run is now."""
        if seen.told != self.seen.told:
            self.moved = now
        self.seen = seen
        self._moments.append((now, seen.told))
        while len(self._moments) > 2 and now - self._moments[1][0] >= PACE_S:
            self._moments.popleft()

    @property
    def pace(self) -> float | None:
        """Give steps per minute while it is running; None at the first look."""
        (then, before), (now, told) = self._moments[0], self._moments[-1]
        if self.seen.state != RUNNING or now <= then:
            return None
        return 60 * (told - before) / (now - then)


class Watcher:
    """Looks at an archive again and again, and keeps what it saw."""

    def __init__(self, archive: Archive, now: Callable[[], float] = time.monotonic) -> None:
        self._archive, self._now = archive, now
        self._tasks: dict[str, str] = {}
        self.runs: dict[int, Watched] = {}

    def look(self) -> list[Watched]:
        """Look once; give the runs that are not as they were. Raises: ArchiveError."""
        changed = []
        for run, seen in self._all():
            now = self._now()
            before = self.runs.get(run)
            if before is None:
                self.runs[run] = Watched(seen, now)
            else:
                unchanged = before.seen == seen
                before.see(seen, now)
                if unchanged:
                    continue
            changed.append(self.runs[run])
        return changed

    def draw(self, height: int) -> RenderableType:
        """Draw the runs, those that are running first, as many as so many lines hold."""
        if not self.runs:
            return Text("no runs yet; `evolve run TASK` starts one")
        latest = [self.runs[run] for run in sorted(self.runs, reverse=True)]
        latest.sort(key=lambda run: run.seen.state != RUNNING)
        shown = latest[: max(1, height - OTHER_LINES)]
        columns = ("run", "task", "state", ">steps", ">best", ">steps/min", ">last told")
        table = new_table(*columns)
        for run in shown:
            table.add_row(*_cells(run, self._now()))
        more = len(latest) - len(shown)
        return Group(table, Text(f"{more} more", style="dim")) if more else table

    def _all(self) -> Iterator[tuple[int, Seen]]:
        # Who writes is asked first: a run that ends in between is seen as running once more.
        writers, best = self._archive.writers(), queries.best_fitness(self._archive)
        for run in self._archive.runs():
            if run.task not in self._tasks:
                self._tasks[run.task] = self._archive.task(run.task).name
            state = state_name(run, written=run.id in writers)
            limit, task = run.limits.get("steps"), self._tasks[run.task]
            yield run.id, Seen(run.name, task, state, run.told, limit, best.get(run.id))


def watch(archive: Archive, every_s: float, console: Console) -> None:
    """Show the runs of an archive until Ctrl-C: a table in a terminal, a line per change elsewhere.

    every_s: seconds from one look to the next. A server that is away is waited for.
    """
    watcher = Watcher(archive)
    if not console.is_terminal:
        for changed, trouble in _looks(watcher, every_s):
            for line in (trouble,) if trouble else map(_line, changed):
                console.print(line, markup=False, highlight=False, soft_wrap=True)
        return
    with Live(console=console, auto_refresh=False) as live:
        for _, trouble in _looks(watcher, every_s):
            notes = [Text(trouble, style="yellow")] if trouble else []
            live.update(Group(watcher.draw(console.height), *notes), refresh=True)


def _looks(watcher: Watcher, every_s: float) -> Iterator[tuple[Iterable[Watched], str]]:
    """Look until Ctrl-C; give what has changed, or why nothing could be seen, told once."""
    before = ""
    while True:
        changed: list[Watched] = []
        trouble = ""
        try:
            changed = watcher.look()
        except ArchiveError as error:
            trouble = str(error)
        if changed or not trouble or trouble != before:
            yield changed, trouble
        before = trouble
        time.sleep(every_s)


def _cells(run: Watched, now: float) -> Iterator[RenderableType]:
    seen = run.seen
    yield seen.name
    yield seen.task
    yield Text(seen.state, style=STATE_STYLES[seen.state])
    yield seen.progress
    yield number(seen.best)
    yield number(run.pace, 0)
    yield f"{clock(now - run.moved)} ago" if run.moved is not None else NO_VALUE


def _line(run: Watched) -> str:
    """Write a change as a line of a log."""
    seen = run.seen
    told = [f"{seen.name}: {seen.state}, {seen.progress} steps", f"best {number(seen.best)}"]
    if run.pace is not None:
        told.append(f"{run.pace:.0f} steps/min")
    return ", ".join(told)
