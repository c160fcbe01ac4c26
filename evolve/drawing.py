"""The small parts of all drawings: tables, facts, numbers, times, dollars."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import RenderableType
from rich.table import Table

Document = Mapping[str, Any]

# A person compares the first letters of a hash; --json has it whole.
ID_LETTERS = 8
NO_VALUE = "-"
STATE_STYLES = {
    "running": "cyan",
    "finished": "green",
    "interrupted": "yellow",
    "failed": "red",
}
# What could command a terminal, in text that a program or a model wrote.
CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def new_table(*columns: str, padding: int = 1) -> Table:
    """Make a table; a heading that begins with `>` is a column of numbers.

    padding: spaces between columns, beyond the one that is always there.
    """
    table = Table(box=SIMPLE_HEAD, padding=(0, padding, 0, 0), show_edge=False, pad_edge=False)
    for column in columns:
        is_number = column.startswith(">")
        table.add_column(
            column.removeprefix(">"),
            justify="right" if is_number else "left",
            no_wrap=is_number or column == "program",
            overflow="fold",
        )
    return table


def fact_table(facts: Iterable[tuple[str, RenderableType]]) -> Table:
    """Make a table of names and values."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts:
        table.add_row(name, value)
    return table


def counted(many: int, what: str) -> str:
    """Write a number of things: 1 grading, 2 gradings."""
    return f"{many} {what}" + ("" if many == 1 else "s")


def number(value: float | None, digits: int = 4) -> str:
    """Write a number, or a dash where there is none."""
    return NO_VALUE if value is None else f"{value:.{digits}f}"


def with_error(values: Document) -> str:
    """Write a fitness with its standard error, where it has one."""
    if values["standard_error"] is None:
        return number(values["fitness"])
    return f"{number(values['fitness'])} ± {values['standard_error']:.4f}"


def clock(seconds: float) -> str:
    """Write seconds as people read them: 42s, 3m10s, 2h05m."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes:02d}m"
    return f"{minutes}m{rest:02d}s" if minutes else f"{rest}s"


def dollars(usd: float, unpriced: int = 0) -> str:
    """Write dollars. unpriced: calls that are not in them, since nobody knows their price."""
    if not unpriced:
        return f"${usd:.4f}"
    return f"${usd:.4f} + ?" if usd else "unknown"


def printable(text: str) -> str:
    """Give somebody else's text without what could command a terminal."""
    return CONTROLS.sub("\ufffd", text.replace("\r\n", "\n"))
