"""The attacks that prove a wall: one small hostile program each, with what must be seen of it.

They lie in `attacks/FAMILY/NAME.py` and are data: read here, run behind a wall, never imported.
The docstring of each says what it tries and, in lines of its own:

    Seen: timeout, cpu_s | crashed     a status and a part of its reason, or several such ways to
                                       end; or `held`: any end at which it did not reach its aim
    Held from: weak                    the weakest level that promises to hold it
    Bare: bites                        what it does without a wall, see `Bare`
    Limits: wall_s=0.5                 bounds other than `LIMITS` (optional)
    Harness: yes                       run by a driver inside the wall (optional)
    Quick: yes                         one of the dozen of the quick proof (optional)

`attack(**canaries)` gets what stands in `sandbox.canaries`, and returns a text that begins with
"bitten" exactly when it reached its aim. Each is bounded: some seconds, some hundred megabytes,
a handful of processes.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

from sandbox.job import Limits, Outcome, Status
from sandbox.levels import LEVELS, Level

FOLDER = Path(__file__).parent / "attacks"
ENTRY = "attack"
CONTROL = "control"

# Clocks that an attack breaks soon, and that an honest program of milliseconds keeps even on a
# machine with much else to do. The wall limit is only for those that use no CPU time.
_UNHURRIED_S = 3.0  # CPU seconds for those that are not about time: getting memory takes some
LIMITS = Limits(wall_s=20, cpu_s=0.3, memory_mb=96, tasks=1, file_mb=0, result_mb=1, output_kb=16)

Bare = Literal["bites", "bites as root", "depends", "unsafe", "none"]
"""What an attack does without a wall.

bites: it reaches its aim, as everybody. bites as root: only root may do it, or not even root must
fear it otherwise. depends: on the machine, as its note says. unsafe: it must not be run without a
wall. none: there is nothing to bite without one.
"""

_Name = TypeVar("_Name", bound=str)

_HEADERS = {"Seen", "Held from", "Bare", "Limits", "Harness", "Quick"}
# what a program raises that is itself wrong, and so proves nothing
_BROKEN = ("SyntaxError", "NameError", "UnboundLocalError", "AttributeError", "ImportError")


@dataclass(frozen=True)
class End:
    """One way to end: a status, and a part of the reason (empty: any)."""

    status: Status
    reason: str

    def fits(self, outcome: Outcome) -> bool:
        return outcome.status == self.status and self.reason in outcome.reason


@dataclass(frozen=True)
class Attack:
    """One hostile program. name: `family/name`. title: what it tries, in a sentence.

    ends: the ways to end that may be seen; empty when any will do. bare_note: why, where `bare`
    needs a reason.
    """

    name: str
    title: str
    source: str
    ends: tuple[End, ...]
    held_from: Level
    bare: Bare
    bare_note: str
    limits: Limits
    in_harness: bool
    quick: bool

    @property
    def family(self) -> str:
        return self.name.partition("/")[0]

    def promised_at(self, level: Level) -> bool:
        """Whether the wall promises to hold it at this level."""
        return LEVELS.index(level) >= LEVELS.index(self.held_from)

    def fault(self, outcome: Outcome) -> str:
        """Say what is wrong with how it ended; empty when it ended as it must."""
        if outcome.reason.startswith(_BROKEN):
            return f"the attack itself is broken: {outcome.reason}"
        if isinstance(outcome.value, str) and outcome.value.startswith("bitten"):
            return outcome.value
        if self.ends and not any(end.fits(outcome) for end in self.ends):
            return f"ended as {outcome.status}: {outcome.reason or shown(outcome.value)}"
        return ""


class BadAttack(ValueError):
    """A file of the suite does not say what it must."""


def attacks(*, quick: bool = False) -> list[Attack]:
    """Read the suite, in the order of names. quick: only the dozen that takes about a second.

    Raises: BadAttack naming the file.
    """
    found = [_read(path) for path in sorted(FOLDER.glob("*/*.py"))]
    return [attack for attack in found if attack.quick or not quick]


def control() -> str:
    """Give the source of the honest program that runs before and after each attack."""
    return (FOLDER / f"{CONTROL}.py").read_text(encoding="utf-8")


def shown(value: Any) -> str:
    """Give what a candidate returned as text."""
    try:
        return repr(value)
    except ValueError:  # Python writes no integer of millions of digits
        return "a very large number"


def _read(path: Path) -> Attack:
    name = f"{path.parent.name}/{path.stem}"
    source = path.read_text(encoding="utf-8")
    try:
        doc = ast.get_docstring(ast.parse(source)) or ""
        title, *rest = doc.splitlines()
        said = dict(_headers(rest))
        bare, _, note = said["Bare"].partition(": ")
        return Attack(
            name=name,
            title=title,
            source=source,
            ends=() if said["Seen"] == "held" else tuple(_ends(said["Seen"])),
            held_from=_one_of(said["Held from"], LEVELS),
            bare=_one_of(bare, get_args(Bare)),
            bare_note=note,
            limits=_limits(said.get("Limits", ""), name.partition("/")[0]),
            in_harness=said.get("Harness", "no") == "yes",
            quick=said.get("Quick", "no") == "yes",
        )
    except (SyntaxError, KeyError, ValueError) as error:
        raise BadAttack(f"{path}: {type(error).__name__}: {error}") from error


def _headers(lines: list[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        name, colon, value = line.partition(": ")
        if colon and name in _HEADERS:
            yield name, value.strip()


def _ends(text: str) -> Iterator[End]:
    """Read `timeout, cpu_s | crashed`."""
    for way in text.split("|"):
        status, _, reason = way.strip().partition(", ")
        yield End(_one_of(status, get_args(Status)), reason)


def _one_of(text: str, known: tuple[_Name, ...]) -> _Name:
    for value in known:
        if value == text:
            return value
    raise ValueError(f"{text!r} is none of {', '.join(map(str, known))}")


def _limits(text: str, family: str) -> Limits:
    """Read `wall_s=0.5 tasks=2`."""
    kinds = {field.name: float if field.name.endswith("_s") else int for field in fields(Limits)}
    pairs = (item.split("=") for item in text.split())
    changed = {name: kinds[name](value) for name, value in pairs}
    usual = LIMITS if family == "time" else replace(LIMITS, cpu_s=_UNHURRIED_S)
    return replace(usual, **changed)  # type: ignore[arg-type]
