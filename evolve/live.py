"""What a person sees while a run works: a live display in a terminal, lines of a log elsewhere."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from types import TracebackType
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from archive.records import Kind, Step
from evolve.drawing import ID_LETTERS, clock, dollars, number
from evolve.grid import Elite
from evolve.run import Run
from evolve.tally import CallsUnderWay, Tally

REFRESHES_PER_SECOND = 4
# Seconds between two lines of a log that say that the run is alive.
HEARTBEAT_S = 10.0
# Where a model of one's own server is: names it no better on a narrow screen.
ADDRESS = re.compile(r"@https?://.*", re.IGNORECASE)
# Seconds between two lines of a log on artefacts.
REPORT_S = 2.0
# What has not changed is said again after so long.
REPEAT_S = 60.0


class Display(Protocol):
    """Told of all that happens; a context manager, open while the run works."""

    def watch(self, step: Step) -> None:
        """See a told step."""

    def report(self, done: int, total: int, what: str) -> None:
        """Hear of long work that candidates wait for."""

    def stopping(self, running: int) -> None:
        """Hear that a person asked the run to stop. running: slots that are at work."""

    def __enter__(self) -> Display: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


def display(
    run: Run, workers: int, console: Console, calls: CallsUnderWay | None = None
) -> Display:
    """Give the display that suits where it is drawn.

    workers: slots, 0 where nobody knows yet how many there will be. calls: of the run's models.
    """
    if console.is_terminal:
        return LiveDisplay(run, console, calls)
    return LogLines(run, workers, console, calls=calls)


class LiveDisplay:
    """Redraws a few lines at the foot of a terminal."""

    def __init__(self, run: Run, console: Console, calls: CallsUnderWay | None = None) -> None:
        self._run = run
        self._tally = Tally(run, calls=calls)
        self._report: tuple[int, int, str] | None = None
        self._note = ""
        self._live = Live(
            console=console,
            get_renderable=self.draw,
            refresh_per_second=REFRESHES_PER_SECOND,
            redirect_stderr=False,
        )

    def watch(self, step: Step) -> None:
        self._report = None
        self._tally.add(step)

    def report(self, done: int, total: int, what: str) -> None:
        self._report = None if done >= total else (done, total, what)

    def stopping(self, running: int) -> None:
        self._note = stopping_note(running, self._tally)

    def draw(self) -> RenderableType:
        """Draw the moment."""
        tally = self._tally
        heading = _heading(self._run).append(_beginning(self._run), style="dim not bold")
        parts: list[RenderableType] = [heading, _bars(tally, self._report)]
        parts.append(_figures(tally))
        parts += [_elite_line(tally, *latest) for latest in reversed(tuple(tally.latest))]
        if self._note:
            parts.append(Text(self._note, style="yellow"))
        return Group(*parts)

    def __enter__(self) -> LiveDisplay:
        self._live.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.__exit__(kind, error, trace)


class LogLines:
    """Prints a line whenever the best changes, and one now and then to say that the run is alive."""

    def __init__(
        self,
        run: Run,
        workers: int,
        console: Console,
        now: Callable[[], float] = time.monotonic,
        calls: CallsUnderWay | None = None,
    ) -> None:
        self._run, self._workers, self._console, self._now = run, workers, console, now
        self._tally = Tally(run, now, calls)
        self._best = self._tally.best
        self._last_line = self._last_report = now()
        self._last_reported = ""

    def watch(self, step: Step) -> None:
        self._tally.add(step)
        before, best = self._best, self._tally.best
        if best is not None and (before is None or _standing(best) != _standing(before)):
            self._best = best
            news = "best is now" if before is not None and best.mean < before.mean else "new best"
            self._say(f"{news} {_worth(self._tally, best)}: {_origin(self._run, best.step)}")
        elif self._now() - self._last_line >= HEARTBEAT_S:
            self._say(heartbeat(self._tally))

    def report(self, done: int, total: int, what: str) -> None:
        line, waited = f"{what}: {done}/{total}", self._now() - self._last_report
        if line == self._last_reported and waited < REPEAT_S:
            return
        if done >= total or waited >= REPORT_S:
            self._last_report, self._last_reported = self._now(), line
            self._say(line)

    def stopping(self, running: int) -> None:
        self._say(stopping_note(running, self._tally))

    def __enter__(self) -> LogLines:
        workers = "1 worker" if self._workers == 1 else f"{self._workers or 'all'} workers"
        self._say(f"{_heading(self._run).plain}, {workers}{_beginning(self._run)}")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._say(heartbeat(self._tally))

    def _say(self, line: str) -> None:
        self._last_line = self._now()
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


def heartbeat(tally: Tally) -> str:
    """Say in one line where a run stands."""
    told = [_progress(tally), f"best {_worth(tally, tally.best)}"]
    if tally.challenger:
        told.append(f"challenger {_worth(tally, tally.challenger)}")
    told.append(f"coverage {tally.stats.coverage:.0%}")
    if tally.confirms is not None:
        told.append(_confirms(tally.confirms))
    told.append(f"{tally.recognised} recognised")
    told += [f"{count} {status}" for status, count in tally.failures.items()]
    if tally.asks_models:
        told.append(_spent(tally))
    if tally.run.waits_for:
        told.append(f"waits for {tally.run.waits_for}")
    told.append(_pace(tally))
    return ", ".join(told)


def stopping_note(running: int, tally: Tally) -> str:
    """Say what the first Ctrl-C does. running: slots that are at work."""
    what = f"{running} running"
    if tally.asks_models:
        what += f" and {_calls(tally)}"
    return f"stopping: finishing {what} ... (Ctrl-C again to stop now)"


def _heading(run: Run) -> Text:
    text = Text(run.record.name, style="bold")
    text.append(f"  task {run.task.name}, rng_seed {run.record.rng_seed}", style="not bold")
    return text


def _beginning(run: Run) -> str:
    """Say what a run does before it searches, while it does that."""
    number = len(run.initial)
    return f"; first its {number} initial programs" if run.state.told < number > 1 else ""


def _bars(tally: Tally, report: tuple[int, int, str] | None) -> Table:
    """Draw how much is done, and below it the work that candidates wait for."""
    table = Table.grid(padding=(0, 1), expand=True)
    table.add_column(no_wrap=True)
    table.add_column(ratio=1)
    table.add_column(no_wrap=True)
    table.add_row(_progress(tally), ProgressBar(total=1.0, completed=tally.share), _pace(tally))
    if report is not None:
        done, total, what = report
        table.add_row(Text(what), ProgressBar(total=total, completed=done), f"{done}/{total}")
    return table


def _figures(tally: Tally) -> Table:
    stats = tally.stats
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("best so far", _champion(tally, tally.best, "bold green"))
    if tally.challenger:
        table.add_row("challenger", _champion(tally, tally.challenger, "yellow"))
    table.add_row("coverage", f"{stats.coverage:.1%}, {stats.num_elites} elites")
    if tally.confirms is not None:
        table.add_row("confirmed", f"{_confirms(tally.confirms)} on fresh instances")
    table.add_row("recognised", f"{tally.recognised}: their outcome was known")
    if tally.asks_models:
        table.add_row("spent", _spent(tally))
    if tally.run.waits_for:
        table.add_row("waits for", tally.run.waits_for)
    failures = ", ".join(f"{count} {status}" for status, count in tally.failures.items())
    table.add_row("failed", Text(failures or "none", style="red" if failures else ""))
    return table


def _champion(tally: Tally, elite: Elite | None, style: str) -> Text:
    text = Text(_worth(tally, elite), style=style)
    if elite is not None:
        text.append(f"  {_origin(tally.run, elite.step)}", style="not bold default")
    return text


def _elite_line(tally: Tally, step: Step, elite: Elite) -> Text:
    text = Text("+ ", style="green")
    text.append((step.program or "")[:ID_LETTERS], style="bold default")
    text.append(f"  {number(elite.mean)}", style="cyan")
    text.append(f"  cell {','.join(map(str, step.cell or ()))}", style="default")
    return text.append(f"  {_origin(tally.run, step.n)}", style="dim default")


def _progress(tally: Tally) -> str:
    limits, state = tally.run.limits, tally.run.state
    parts = [f"{state.told}/{limits.steps} steps" if limits.steps else f"{state.told} steps"]
    if limits.evaluations:
        parts.append(f"{state.evaluations}/{limits.evaluations} evaluations")
    return ", ".join(parts)


def _spent(tally: Tally) -> str:
    """Say what the models have cost, of how much, and how many are being asked."""
    record, limits = tally.run.record, tally.run.limits
    parts = []
    if record.usd or limits.usd:
        parts.append(dollars(record.usd) + (f" of ${limits.usd:g}" if limits.usd else ""))
    bound = f" of {limits.tokens:,}" if limits.tokens else ""
    parts.append(f"{record.tokens:,}{bound} tokens")
    parts.append(f"{_calls(tally)} in flight")
    return ", ".join(parts)


def _calls(tally: Tally) -> str:
    number = tally.calls.number
    return f"{number} {'call' if number == 1 else 'calls'}"


def _pace(tally: Tally) -> str:
    pace, left = tally.steps_per_minute, tally.seconds_left
    parts = [] if pace is None else [f"{pace:.0f} steps/min"]
    if left is not None and tally.share < 1:
        parts.append(f"{clock(left)} left")
    return ", ".join(parts) or "starting"


def _standing(best: Elite) -> tuple[int, bool]:
    """Give what makes a best one another: the program, and whether it was confirmed."""
    return best.step, best.confirmed


def _worth(tally: Tally, elite: Elite | None) -> str:
    """Write what is believed of an elite, and from how many instances."""
    if elite is None:
        return "none yet"
    se = elite.se if elite.error is None else elite.error
    error = f" ± {se:.4f}" if se else ""
    seen = f"n = {elite.n}"
    if tally.confirms is not None:
        seen += f" + {elite.fresh} fresh" if elite.confirmed else ", unconfirmed"
    return f"{number(elite.mean)}{error} ({seen})"


def _confirms(number: int) -> str:
    return f"{number} confirm {'step' if number == 1 else 'steps'}"


def _origin(run: Run, n: int) -> str:
    """Say how step n came to be."""
    if n < len(run.initial):
        return f"initial program {run.initial[n][0]}"
    told = run.state.step(n)
    assert told is not None
    if told.step.kind is Kind.MIGRATE:
        return f"step {n}, migrated: {told.step.idea}"
    parents = " and ".join(str(parent) for parent in told.step.parents)
    return f"step {n}, {_author(run, told.step)} of {parents}"


def _author(run: Run, step: Step) -> str:
    """Name the operator, and of several models the one that wrote, without its address."""
    if step.model is None or len(run.means.models) == 1:
        return step.operator
    return f"{step.operator} ({ADDRESS.sub('', step.model)})"
