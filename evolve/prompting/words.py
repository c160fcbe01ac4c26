"""How prompts are worded: templates, numbers, and foreign text that cannot break the layout."""

from __future__ import annotations

import math
import re
from functools import cache
from importlib import resources
from string import Template

# Text of candidates and tasks that stands in one line is cut here.
LINE_CHARACTERS = 300
# Digits shown of a standard error, and of a number that has none.
ERROR_DIGITS = 2
PLAIN_DIGITS = 4
MAX_DECIMALS = 6


def filled(name: str, /, **values: object) -> str:
    """Fill a template of `evolve/prompts`; what is filled in is not looked at again."""
    return template(name).substitute(values).strip()


@cache
def template(name: str) -> Template:
    """Give a template by its name without ".md"."""
    path = resources.files("evolve").joinpath("prompts", f"{name}.md")
    return Template(path.read_text(encoding="utf-8"))


def number(value: float) -> str:
    """Give a number with four digits: "0.8871", "12.5"."""
    return f"{value:.{PLAIN_DIGITS}g}"


def uncertain(value: float, error: float | None, decimals: int | None = None) -> str:
    """Give a number with its standard error: "0.8871 ± 0.0065".

    decimals: None for as many as show two digits of the error.
    """
    if decimals is None and error is None:
        return number(value)
    places = decimals_of(error) if decimals is None else decimals
    # What rounds to nothing is no minus nothing.
    said = f"{round(value, places) + 0.0:.{places}f}"
    return said if error is None else f"{said} ± {error:.{places}f}"


def difference(value: float, error: float | None, decimals: int | None = None) -> str:
    """Give a difference with its sign and standard error: "+0.012 ± 0.004"."""
    said = uncertain(value, error, decimals)
    return said if said.startswith("-") else f"+{said}"


def decimals_of(error: float | None) -> int:
    """Give how many decimals show two digits of a standard error."""
    if error is None or error <= 0.0 or not math.isfinite(error):
        return PLAIN_DIGITS
    return min(max(ERROR_DIGITS - 1 - math.floor(math.log10(error)), 0), MAX_DECIMALS)


def one_line(text: str, limit: int = LINE_CHARACTERS) -> str:
    """Give foreign text as one line of at most so many characters."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 4].rstrip() + " ..."


def fenced(text: str, language: str = "python") -> str:
    """Give foreign text as a fenced block, with a fence longer than any inside it."""
    longest = max((len(run) for run in re.findall(r"`{3,}", text)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}{language}\n{text.strip(chr(10))}\n{fence}"


def below_heading(text: str) -> str:
    """Give foreign Markdown as what stands below a heading of ours.

    Its headings go down by one level, and a fence that it leaves open is closed.
    """
    lines, fence = [], ""
    for line in text.strip().split("\n"):
        mark = re.match(r" {0,3}(`{3,}|~{3,})", line)
        if mark and not fence:
            fence = mark[1]
        elif mark and mark[1].startswith(fence) and not line.strip(" \t" + fence[0]):
            fence = ""
        elif not fence and re.match(r"#{1,5} ", line):
            line = "#" + line
        lines.append(line)
    return "\n".join([*lines, fence] if fence else lines)


def listed(names: list[str]) -> str:
    """Give "a", "a and b", "a, b and c"."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
