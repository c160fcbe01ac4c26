"""What recognising known programs and outputs spared a run, and how often the probes were wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from archive import views
from archive.records import RunRecord
from archive.store import Archive
from archive.views import HashedStep
from evolve.config import SearchSettings
from evolve.executor import Determinism
from evolve.hurdle import HURDLE, STOPPED
from evolve.spec import TaskSpec
from evolve.statistics import upper_bound, wilson_interval
from sandbox.levels import at_least

Document = dict[str, Any]

KINDS = ("syntax", "exact", "trusted", "served", "behaviour")


# A candidate that used more of a limit might break it on a slower machine.
NEAR_LIMIT = 0.5


def hashed_steps(archive: Archive, run: RunRecord) -> list[HashedStep]:
    """Read the told steps of a run with the keys under which their programs could be recognised."""
    return views.hashed_steps(archive, run.id, at_least(run.settings["min_level"]))


def near_limits(steps: Iterable[HashedStep]) -> int:
    """Count the steps that ran here and used more than half of a limit, or all of it."""
    # What was served from the archive did not run, and has no share.
    return sum(step.facts.get("limit_share", 0.0) > NEAR_LIMIT for step in steps)


def hashing_document(archive: Archive, run: RunRecord, steps: Sequence[HashedStep]) -> Document:
    """Give what a run's hashes were good for, counted over its told steps; `confirm` apart.

    hits: steps by how they were recognised, each under the first that holds. syntax: the run had
    told the program before, and it was not run again. exact, trusted: its task lets the probes
    decide, and they could not tell it from one of any run, or from one that this run had told.
    served: another run or step had evaluated it, and it was not run here. behaviour: it was run, and
    its outputs digest was known, so it was not graded; of two processes that grade the same
    outputs at once, one counts as spared it.

    gradings_saved: hits that would have been graded. seconds: see `seconds`. probe_matches,
    trusted: see there; trusted is None unless the task trusts its probes.
    near_duplicates: steps that the probes took for nearly the same as an elite or a told program;
    rounding: of these, how many differ from an elite by rounding only. determinism: programs that
    were probed twice, by what came of it. These three are None where nobody looked.
    """
    shares = SearchSettings.of(run.settings).share_grades
    hits = find_hits(steps, shares_grades=shares)
    kinds = Counter(hit.kind for hit in hits)
    spec = TaskSpec.model_validate(archive.task(run.task).spec)
    return {
        "hits": {kind: kinds[kind] for kind in KINDS},
        "gradings_saved": sum(hit.saves_grading for hit in hits),
        **seconds(steps, hits),
        "probe_matches": probe_matches(steps),
        "trusted": trusted(steps) if spec.probes == "trust" else None,
        **_seen(steps),
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
    graded: dict[str, bool] = {}
    evaluations: set[int] = set()
    for step in steps:
        if step.program is None or _stopped(step):
            continue
        if step.ran_here:
            # A program that ran twice has one row: the second found the outputs of the first.
            known = step.known_outputs or step.evaluation in evaluations
            if known and shares_grades and step.seconds is not None:
                hits.append(Hit("behaviour", saves_grading=True))
            if step.evaluation is not None and step.outputs_digest is not None:
                evaluations.add(step.evaluation)
        elif step.program in graded:
            hits.append(Hit("syntax", saves_grading=graded[step.program]))
        elif (kind := _kind(step)) is not None:
            hits.append(Hit(kind, saves_grading=_was_graded(step)))
        graded.setdefault(step.program, _was_graded(step))
    return hits


def seconds(steps: Sequence[HashedStep], hits: Iterable[Hit]) -> Document:
    """Give the seconds that hits have saved and probing has cost.

    seconds_saved_running: hits that did not run, times the mean seconds of a run on the block (wall
    time behind the wall, all instances) among the steps that ran here. seconds_saved_grading:
    gradings saved, times the mean seconds of a grading. seconds_saved: both. Each is None where
    something was saved of which no step knows the seconds; of the sum, what is known counts.
    seconds_spent_probing: all told; seconds_net: saved less that. None where nobody measured it.
    """
    hits = list(hits)
    spared = sum(hit.kind != "behaviour" for hit in hits)
    ran = [step.seconds for step in steps if step.seconds is not None and not _stopped(step)]
    rows = {step.evaluation: step.grade_s for step in steps if step.grade_s and not _stopped(step)}
    running = _times_mean(spared, ran)
    grading = _times_mean(sum(hit.saves_grading for hit in hits), list(rows.values()))
    known = [part for part in (running, grading) if part is not None]
    saved = round(sum(known), 3) if known else None
    probing = [step.facts["probe_s"] for step in steps if "probe_s" in step.facts]
    spent = round(sum(probing), 3) if probing else None
    return {
        "seconds_saved": saved,
        "seconds_saved_running": running,
        "seconds_saved_grading": grading,
        "seconds_spent_probing": spent,
        "seconds_net": None if saved is None or spent is None else round(saved - spent, 3),
    }


def probe_matches(steps: Iterable[HashedStep]) -> Document:
    """Give how often equal functional hashes meant equal outputs.

    predicted: programs, each counted once, whose hash an earlier told step with another program
    had. judged: of these, where both were run and have an outputs digest; the earlier one is the
    first that has. false: of these, with different digests. rate: false of judged, None if none
    was judged; interval: its 95 % Wilson interval.
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
        # What only the probes decided cannot be their witness.
        digest = None if step.probes_only else step.outputs_digest
        if earlier is not None and digest is not None:
            judged += 1
            false += earlier != digest
        digests[step.behaviour] = earlier or digest
    return {
        "predicted": predicted,
        "judged": judged,
        "false": false,
        "rate": false / judged if judged else None,
        "interval": wilson_interval(false, judged) if judged else None,
    }


def trusted(steps: Iterable[HashedStep]) -> Document:
    """Give how far the trust of a task in its probes was justified.

    hits: steps whose quality was taken from a told one that the probes do not tell from them.
    audited: further such steps, drawn by chance, that were evaluated all the same. wrong: of these,
    with another fitness or other measures. upper_95: the share of wrong hits is below this with 95 %
    confidence (Clopper & Pearson, one-sided); 1 where none was audited.
    """
    hits = audited = wrong = 0
    quality: dict[int, Any] = {}
    for step in steps:
        quality[step.n] = step.quality
        hits += "trusts" in step.facts
        if "audits" in step.facts and step.quality is not None:
            audited += 1
            wrong += step.quality != quality[step.facts["audits"]]
    return {
        "hits": hits,
        "audited": audited,
        "wrong": wrong,
        "upper_95": upper_bound(wrong, audited),
    }


def _kind(step: HashedStep) -> str | None:
    """Say how a program that was not run, and that the run had not told, was recognised."""
    if "exact" in step.facts:
        return "exact"
    if "trusts" in step.facts:
        return "trusted"
    return "served" if step.served else None


def _was_graded(step: HashedStep) -> bool:
    """Tell whether there are grades of what a program gives out; of what crashed there are none."""
    fitness = step.quality[0] if step.quality else None
    return step.outputs_digest is not None or fitness is not None


def _stopped(step: HashedStep) -> bool:
    """Tell whether a program ended at the hurdle: it ran on a part of the block."""
    return step.facts.get(HURDLE) == STOPPED


def _times_mean(number: int, values: Sequence[float]) -> float | None:
    if not number:
        return 0.0
    return round(number * sum(values) / len(values), 3) if values else None


def _seen(steps: Iterable[HashedStep]) -> Document:
    """Count what probing has shown; see `hashing_document`."""
    facts = [step.facts for step in steps if "determinism" in step.facts]
    if not facts:
        return dict.fromkeys(("near_duplicates", "rounding", "determinism"))
    counts = Counter(each["determinism"] for each in facts)
    return {
        "near_duplicates": sum("near" in each for each in facts),
        "rounding": sum("rounding" in each for each in facts),
        "determinism": {name: counts[name] for name in get_args(Determinism)},
    }
