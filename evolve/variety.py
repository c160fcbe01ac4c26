"""How differently a run's elites and its latest children behave on the probes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from archive import views
from archive.records import RunRecord
from archive.store import Archive
from evolve.diversity import WINDOW, collapse, vendi_scores
from evolve.novelty import kernel

Document = dict[str, Any]

# Of more elites only the best are compared: the work grows with the cube of their number.
MAX_ELITES = 400


def diversity_document(archive: Archive, run: RunRecord) -> Document:
    """Give Vendi scores of a run by how alike two programs decide on the probes, on the average.

    elites: of those that the cells show, the best 400. recent: of the last 50 told search steps
    that ran here; before: of the 50 before these. Each {"n": programs, and a score per order:
    "q0.1", "q1", "qinf"}, from 1 to n, or None where there are no records. Programs whose
    probes ended by the clock have none; an elite that was served has that of the step that ran it.
    warning: a text if recent is below half of what it was before (q = 1, both of 50), else None.
    """
    elites = views.elite_records(archive, run)[:MAX_ELITES]
    latest = views.latest_records(archive, run, 2 * WINDOW)
    recent, before = _scores(latest[:WINDOW]), _scores(latest[WINDOW:])
    warning = None
    if recent and before and before["n"] == WINDOW:
        warning = collapse(recent["q1"], before["q1"])
    return {"elites": _scores(elites), "recent": recent, "before": before, "warning": warning}


def _scores(records: Sequence[bytes]) -> Document | None:
    if not records:
        return None
    return {"n": len(records), **vendi_scores(kernel(records))}
