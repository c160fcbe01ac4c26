"""What a run, as an island of a search, took over from the others, as plain values."""

from __future__ import annotations

from typing import Any

from archive import views
from archive.records import RunRecord
from archive.store import Archive
from evolve.config import SearchSettings
from evolve.migration import origin_run
from evolve.totals import TAKEN

Document = dict[str, Any]


def islands_document(archive: Archive, run: RunRecord) -> Document | None:
    """Give what the told migrate steps of a run brought; None for a run that is no island.

    ring: the islands. nothing_new: migrate steps that found nothing that was not known. sources:
    {run: {"taken": programs taken over from it, "placed": of these, by the grid, "last": the latest
    such step}}.
    """
    ring = SearchSettings.of(run.settings).islands
    if not ring:
        return None
    nothing_new, sources = 0, dict[str, Document]()
    for step in views.migrated_steps(archive, run.id):
        if step.idea is None:
            nothing_new += 1
            continue
        row = sources.setdefault(origin_run(step.idea), {"taken": 0, "placed": 0})
        row["taken"] += 1
        row["placed"] += step.placement in TAKEN
        row["last"] = step.n
    return {"ring": list(ring), "nothing_new": nothing_new, "sources": sources}
