"""What a check of a task gives: findings, and how the programs spread over grid and probes."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from evolve.check.coverage import Range
from evolve.executor import Determinism
from evolve.grid import Cell

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong. about: the file, program or key it is about."""

    severity: Severity
    about: str
    message: str


def error(about: str, message: str) -> Finding:
    """Make a finding that makes results wrong or a search impossible."""
    return Finding("error", about, message)


def warning(about: str, message: str) -> Finding:
    """Make a finding that makes results worse than they could be."""
    return Finding("warning", about, message)


@dataclass(frozen=True, slots=True)
class Row:
    """One program on `train`, for the table.

    cell: None unless it is ok; clipped: whether a measure lay outside its range.
    seconds: behind the wall, all instances; cpu_s: CPU seconds of one instance, on average.
    behaviour: its functional hash on the probes. unreached: the lines that no probe reached, as
    (first, last) from 1; None where that could not be told. determinism: as in Probed.
    """

    program: str
    status: str
    fitness: float | None
    standard_error: float | None
    cell: Cell | None
    clipped: bool
    seconds: float
    cpu_s: float
    behaviour: str | None
    outputs_digest: str | None
    unreached: tuple[Range, ...] | None = None
    determinism: Determinism | None = None


@dataclass(frozen=True, slots=True)
class Behaviours:
    """How many behaviours are told apart among the programs that are ok on `train`."""

    programs: int
    probes: int
    train: int


@dataclass(frozen=True, slots=True)
class Report:
    """All that is wrong with a task, and how its programs spread over its grid."""

    task: str
    findings: tuple[Finding, ...]
    rows: tuple[Row, ...] = ()
    cells: int = 0
    cells_used: int = 0

    @property
    def ok(self) -> bool:
        return not any(finding.severity == "error" for finding in self.findings)

    @property
    def behaviours(self) -> Behaviours:
        """Count what the probes tell apart, and what `train` does."""
        valid = [row for row in self.rows if row.outputs_digest is not None]
        return Behaviours(
            programs=len(valid),
            probes=len({row.behaviour for row in valid if row.behaviour is not None}),
            train=len({row.outputs_digest for row in valid}),
        )

    def json(self) -> dict[str, Any]:
        return {
            "task": self.task,
            "ok": self.ok,
            "findings": [asdict(finding) for finding in self.findings],
            "programs": [asdict(row) for row in self.rows],
            "cells": self.cells,
            "cells_used": self.cells_used,
            "behaviours": asdict(self.behaviours),
        }
