"""Counted work, shown on standard error while a command does it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

Told = Callable[[int, int, str], None]


@contextmanager
def progress() -> Iterator[Told]:
    """Show counted work on standard error: bars in a terminal, a line per piece elsewhere."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda done, total, what: console.print(f"{done}/{total} {what}", markup=False)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True) as bars:
        bar = bars.add_task("starting", total=None)

        def told(done: int, total: int, what: str) -> None:
            bars.update(bar, completed=done, total=total, description=what)

        yield told
