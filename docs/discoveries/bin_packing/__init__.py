"""Programs that `evolve` discovered; `catalogue()` gives them, best first. Needs numpy only."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple


class Exported(NamedTuple):
    """One program: the function (or class) itself, and what is known of it.

    fitness: mean score on the training instances, higher is better. provenance: all the rest, as
    provenance.json has it: run, step, ancestry, measures, verify.
    """

    function: Callable[..., Any]
    fitness: float | None
    provenance: Mapping[str, Any]


def catalogue() -> dict[str, Exported]:
    """Give the programs of this package by the names of their modules, best first."""
    path = Path(__file__).with_name("provenance.json")
    provenance = json.loads(path.read_text(encoding="utf-8"))
    entry = provenance["task"]["entry"]
    return {
        program["module"]: Exported(
            getattr(import_module(f"{__name__}.{program['module']}"), entry),
            program["fitness"],
            program,
        )
        for program in provenance["programs"]
    }
