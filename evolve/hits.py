"""What recognising known programs and outputs spared a run, and how often the probes were wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from archive import views
from archive.records import RunRecord
from archive.store import Archive
from archive.views import HashedStep
from evolve.config import SearchSettings
from evolve.statistics import wilson_interval
from sandbox.levels import at_least

Document = dict[str, Any]

KINDS = ("syntax", "served", "behaviour")


def hashing_document(archive: Archive, run: RunRecord) -> Document:
    """Give what a run's hashes were good for, counted over its told steps.

    hits: steps by how they were recognised, each under the first that holds. syntax: the run had
    told the program before, and it was not run again. served: another run or step had evaluated
    it, and it was not run here. behaviour: it was run, and its outputs digest was known, so it was
    not graded; of two processes that grade the same outputs at once, one counts as spared it.

    gradings_saved: hits whose outputs have a digest, so that they would have been graded.
    seconds_saved: syntax and served hits times the mean seconds of a run on the block (wall time
    behind the wall, all instances) among the steps that ran here; None if none did. This is
    running only: the archive keeps no seconds of grading, which all hits save besides, nor of
    probing, which every step that ran has cost.

    probe_matches: see `probe_matches`.
    """
    levels = at_least(run.settings["min_level"])
    steps = views.hashed_steps(archive, run.id, levels)
    shares = SearchSettings.model_validate(run.settings["search"]).share_grades
    hits = find_hits(steps, shares_grades=shares)
    kinds = Counter(hit.kind for hit in hits)
    return {
        "hits": {kind: kinds[kind] for kind in KINDS},
        "gradings_saved": sum(hit.saves_grading for hit in hits),
        "seconds_saved": seconds_saved(steps, hits),
        "probe_matches": probe_matches(steps),
    }


@dataclass(frozen=True, slots=True)
class Hit:
    """A told step that was recognised. kind: one of KINDS."""

    kind: str
    saves_grading: bool


def find_hits(steps: Iterable[HashedStep], *, shares_grades: bool) -> list[Hit]:
    """Find the steps that were recognised, in the order of tells; see `hashing_document`.

    shares_grades: whether the run takes the grade of equal outputs.
    """
    hits: list[Hit] = []
    digests: dict[str, str | None] = {}
    evaluations: set[int] = set()
    for step in steps:
        if step.program is None:
            continue
        if step.ran_here:
            # A program that ran twice has one row: the second found the outputs of the first.
            known = step.known_outputs or step.evaluation in evaluations
            if known and shares_grades and step.seconds is not None:
                hits.append(Hit("behaviour", saves_grading=True))
            if step.evaluation is not None and step.outputs_digest is not None:
                evaluations.add(step.evaluation)
        elif step.program in digests:
            hits.append(Hit("syntax", saves_grading=digests[step.program] is not None))
        elif step.served:
            hits.append(Hit("served", saves_grading=step.outputs_digest is not None))
        digests.setdefault(step.program, step.outputs_digest)
    return hits


def seconds_saved(steps: Iterable[HashedStep], hits: Iterable[Hit]) -> float | None:
    """Give the seconds of running that hits have saved; see `hashing_document`."""
    spared = sum(hit.kind != "behaviour" for hit in hits)
    seconds = [step.seconds for step in steps if step.seconds is not None]
    if not spared:
        return 0.0
    return round(spared * sum(seconds) / len(seconds), 3) if seconds else None


def probe_matches(steps: Iterable[HashedStep]) -> Document:
    """Give how often equal functional hashes meant equal outputs.

    predicted: programs, each counted once, whose hash an earlier told step with another program
    had. judged: of these, where both have an outputs digest; the earlier one is the first that
    has. false: of these, with different digests. rate: false of judged, None if none was judged;
    interval: its 95 % Wilson interval.
    """
    predicted = judged = false = 0
    programs: set[str] = set()
    digests: dict[str, str | None] = {}
    for step in steps:
        if step.program is None or step.behaviour is None or step.program in programs:
            continue
        programs.add(step.program)
        predicted += step.behaviour in digests
        earlier = digests.get(step.behaviour)
        if earlier is not None and step.outputs_digest is not None:
            judged += 1
            false += earlier != step.outputs_digest
        digests[step.behaviour] = earlier or step.outputs_digest
    return {
        "predicted": predicted,
        "judged": judged,
        "false": false,
        "rate": false / judged if judged else None,
        "interval": wilson_interval(false, judged) if judged else None,
    }
