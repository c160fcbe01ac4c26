"""What the hurdle did in a run and what it cost, as plain values."""

from __future__ import annotations

from typing import Any

from archive import queries
from archive.records import RunRecord
from archive.store import Archive
from evolve.config import SearchSettings
from evolve.hurdle import BY_CHANCE, STOPPED, HurdleRecord, quick_names
from evolve.run import BLOCK, STAGE
from evolve.statistics import grouping, wilson_interval
from evolve.totals import Totals

Document = dict[str, Any]


def hurdle_document(archive: Archive, run: RunRecord, totals: Totals) -> Document | None:
    """Give what the hurdle of a run did, by its told steps; None for a run without one.

    stopped: programs that ended at the quick stage. passed: hopeless ones that ran in full by
    chance; wrong: of these, how many got a place in the grid, which the stopped ones might have
    got as often; rate: their share, None before there are any; interval: its 95 % Wilson
    interval. off: whether it ended itself, since that was too often. quick, whole: instances of the
    quick stage, 0 where the task has too few for one, and of the train block; None before any step.
    """
    if not SearchSettings.of(run.settings).hurdle:
        return None
    counted = (totals.count("hurdle", what) for what in (STOPPED, BY_CHANCE, "wrong"))
    record = HurdleRecord(*counted)
    instances = queries.block(archive, task=run.task, stage=STAGE, block=BLOCK)
    passed, wrong = record.passed, record.wrong
    return {
        "stopped": record.stopped,
        "passed": passed,
        "wrong": wrong,
        "rate": wrong / passed if passed else None,
        "interval": wilson_interval(wrong, passed) if passed else None,
        "off": record.off,
        "quick": None if instances is None else len(quick_names(grouping(instances))),
        "whole": None if instances is None else len(instances),
    }
