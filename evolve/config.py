"""The program's own settings (`--set search.*`), what ends a run, and where its archive is."""

from __future__ import annotations

import difflib
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from evolve.errors import UsageError
from evolve.grid import DEFAULT_DEPTH
from evolve.mistakes import mistakes
from evolve.spec import TaskSpec

PREFIX = "search."
DEFAULT_ARCHIVE = "evolve.db"
ARCHIVE_VARIABLE = "EVOLVE_ARCHIVE"


class SearchSettings(BaseModel):
    """How a run searches; stored with the run and never changed afterwards.

    order: how steps are told, "step" (by number) or "arrival". lookahead: a search step is asked
    from the state in which all but so many steps before it were told. parents: "rank" (70 % by
    rank among the five best, 30 % uniform over cells), "uniform", "weighted" (ShinkaEvolve's), or
    "initial" (uniform over the initial programs: the random search that claims are compared with).
    depth: elites per cell. share_grades: whether a known outputs digest saves grading.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    order: Literal["step", "arrival"] = "step"
    lookahead: int = Field(default=16, ge=1, le=4096)
    parents: Literal["rank", "uniform", "weighted", "initial"] = "rank"
    depth: int = Field(default=DEFAULT_DEPTH, ge=1, le=100)
    share_grades: bool = True


@dataclass(frozen=True, slots=True)
class RunLimits:
    """What ends a run. steps, evaluations: counted at tell; hours: of work, resumes included.

    Raises: UsageError for a limit that would end a run before it begins.
    """

    steps: int | None = None
    evaluations: int | None = None
    hours: float | None = None

    def __post_init__(self) -> None:
        for name, value in self.record().items():
            if not 0 < value < math.inf:
                raise UsageError(
                    f"{name} {value:g}: a limit is a number above 0; leave it out for none"
                )

    def record(self) -> dict[str, float | int]:
        """Give what the archive keeps: only the limits that are set."""
        named = {"steps": self.steps, "evaluations": self.evaluations, "hours": self.hours}
        return {name: value for name, value in named.items() if value is not None}


def archive_place(place: str | None = None) -> str:
    """Give where the archive is: as told, as EVOLVE_ARCHIVE says, or `evolve.db` here."""
    return place or os.environ.get(ARCHIVE_VARIABLE) or DEFAULT_ARCHIVE


def parse_settings(pairs: Iterable[str], spec: TaskSpec) -> tuple[dict[str, Any], SearchSettings]:
    """Read `key=value` pairs into the task's settings and the search's.

    Raises: UsageError for an unknown key or a value of the wrong type, naming what there is.
    """
    own: dict[str, str] = {}
    task: dict[str, Any] = dict(spec.settings)
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise UsageError(f"--set {pair}: write it as key=value")
        if key.startswith(PREFIX) and key.removeprefix(PREFIX) in SearchSettings.model_fields:
            own[key.removeprefix(PREFIX)] = value
        elif key in task:
            task[key] = _as_type_of(task[key], value, key)
        else:
            raise UsageError(f"--set {key}: no such setting{_closest(key, spec)} {_known(spec)}")
    return task, search_settings(own)


def search_settings(values: Mapping[str, Any]) -> SearchSettings:
    """Check the values of `search.*`. Raises: UsageError naming the key."""
    try:
        return SearchSettings.model_validate(values)
    except ValidationError as error:
        first = mistakes(error, {"": SearchSettings})[0]
        # Settings come as text from the command line: told as it was typed.
        written = f"={values[first.key]}" if first.key in values else ""
        raise UsageError(f"--set {PREFIX}{first.key}{written}: {first.fault}") from error


def _as_type_of(default: Any, text: str, key: str) -> Any:
    if isinstance(default, bool):
        words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
        if text.lower() not in words:
            raise UsageError(f"--set {key}={text}: write true or false")
        return words[text.lower()]
    try:
        return type(default)(text)
    except ValueError as error:
        kind = "a whole number" if isinstance(default, int) else "a number"
        raise UsageError(f"--set {key}={text}: must be {kind}") from error


def _closest(key: str, spec: TaskSpec) -> str:
    """Say which setting may have been meant, with or without its prefix."""
    known = {name: name for name in spec.settings}
    known = {name: PREFIX + name for name in SearchSettings.model_fields} | known
    close = difflib.get_close_matches(key.removeprefix(PREFIX), known, 1)
    return f"; did you mean {known[close[0]]}?" if close else "."


def _known(spec: TaskSpec) -> str:
    own = ", ".join(f"{key} (default {value})" for key, value in spec.settings.items())
    search = ", ".join(PREFIX + name for name in SearchSettings.model_fields)
    return f"Task {spec.name} has: {own or 'none'}; the search has: {search}"
