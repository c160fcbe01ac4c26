"""What the told steps of a run come to in numbers: counted one by one, kept with the run.

Nothing is decided by them. `status` reads them, so that it takes as long for a million steps as for
ten; of a run that an earlier version told they are counted from its rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from archive import queries
from archive.records import Kind, RunRecord, Status, Step
from archive.store import Archive
from evolve.config import SearchSettings
from evolve.grid import Placement
from evolve.history import REJECTED, SPARED, History, Told
from evolve.hurdle import BY_CHANCE, HURDLE, is_stopped

# Words under which numbers stand, e.g. ("status", "ok").
Key = tuple[str, ...]

# Raised when a number is counted by another rule: what was kept by the old one is counted anew.
VERSION = 1

# A candidate that used more of a limit might break it on a slower machine.
NEAR_LIMIT = 0.5
# Facts of a step whose quality was known: it was served, or the probes decided.
KNOWN = frozenset(("served", "exact", "trusts"))
TAKEN = (Placement.NEW.name, Placement.IMPROVED.name)


@dataclass(frozen=True, slots=True)
class Totals:
    """Numbers of told steps, each under a key of words; it never changes, `after` gives another.

    numbers: see `_counted`, where each key is made.
    """

    numbers: Mapping[Key, float] = field(default_factory=dict)

    def after(self, told: Told, history: History, *, shares_grades: bool) -> Totals:
        """Give the totals one told step later.

        history: has taken that step in. shares_grades: whether the run takes the grade of equal
        outputs.
        """
        numbers = dict(self.numbers)
        for key, more in _counted(told, history, shares_grades):
            numbers[key] = numbers.get(key, 0) + more
        return Totals(numbers)

    def of(self, *key: str) -> float:
        """Give one number, 0 where nothing was counted."""
        return self.numbers.get(key, 0)

    def count(self, *key: str) -> int:
        """Give one number of things."""
        return int(self.of(*key))

    def under(self, *key: str) -> dict[Key, int]:
        """Give {the rest of the key: number of things} of all whose key begins so."""
        size = len(key)
        return {k[size:]: int(n) for k, n in self.numbers.items() if k[:size] == key}

    def plain(self) -> dict[str, Any]:
        """Give them as a row keeps them."""
        numbers = [[*key, number] for key, number in self.numbers.items()]
        return {"version": VERSION, "numbers": numbers}


def totals_of(plain: Any) -> Totals | None:
    """Read what `Totals.plain` gave; None for what was counted by other rules."""
    if not isinstance(plain, dict) or plain.get("version") != VERSION:
        return None
    return Totals({tuple(key): number for *key, number in plain["numbers"]})


def run_totals(archive: Archive, run: RunRecord) -> Totals:
    """Give the totals of a run as it kept them; of one that another version told, as counted."""
    kept = totals_of(queries.totals(archive, run.id))
    return counted_totals(archive, run) if kept is None else kept


def counted_totals(archive: Archive, run: RunRecord) -> Totals:
    """Count all told rows of a run. Takes some 0.1 seconds for 1,000 steps."""
    totals, shares = Totals(), SearchSettings.of(run.settings).share_grades
    history = History(lambda seq: Told(*queries.told_step(archive, run.id, seq)))
    for facts in queries.told_facts(archive, run.id, all_facts=True):
        told = Told(*facts)
        history.append(told, whole=False)
        totals = totals.after(told, history, shares_grades=shares)
    return totals


def _counted(told: Told, history: History, shares_grades: bool) -> Iterator[tuple[Key, float]]:
    """Give what one told step adds, and to which number."""
    step, facts = told.step, told.step.ran or {}
    assert step.status is not None
    yield ("kind", step.kind.value), 1
    yield ("status", step.status.value), 1
    if step.kind is Kind.SEARCH:
        yield from _of_operator(step)
    # What was served from the archive did not run, and has no share.
    if facts.get("limit_share", 0.0) > NEAR_LIMIT:
        yield ("near limit",), 1
    if step.status is Status.DUPLICATE or not KNOWN.isdisjoint(facts):
        yield ("recognised",), 1
    if step.status is Status.DUPLICATE:
        yield from _of_duplicate(step, facts, history)
    if HURDLE in facts:
        yield ("hurdle", facts[HURDLE]), 1
        if facts[HURDLE] == BY_CHANCE and step.placement in TAKEN:
            yield ("hurdle", "wrong"), 1
    yield from _of_rejection(step, facts)
    if step.kind is not Kind.CONFIRM:
        yield from _of_running(told, facts, history)
        yield from _of_hashing(told, history, shares_grades)


def _of_operator(step: Step) -> Iterator[tuple[Key, float]]:
    assert step.status is not None
    took = step.placement in TAKEN
    yield ("operator", step.operator, "steps"), 1
    yield ("operator", step.operator, "ok"), step.status is Status.OK
    yield ("operator", step.operator, "placed"), took
    yield ("arm", step.operator, step.model or "", "steps"), 1
    yield ("arm", step.operator, step.model or "", "taken"), took


def _of_duplicate(
    step: Step, facts: Mapping[str, Any], history: History
) -> Iterator[tuple[Key, float]]:
    """Tell duplicates of the same program from those of another with the same outputs.

    What the probes or a review decided alone is neither.
    """
    assert step.duplicate_of is not None
    first = history.seq_of_program.get(step.program or "")
    if step.outputs_digest is None and facts.get("probes_only"):
        return
    same = first == history.seq_of_step(step.duplicate_of)
    yield ("duplicate", "syntax" if same else "behaviour"), 1


def _of_rejection(step: Step, facts: Mapping[str, Any]) -> Iterator[tuple[Key, float]]:
    if SPARED in facts:
        yield ("rejection", "spared"), 1
    if REJECTED not in facts:
        return
    if not facts[REJECTED].get("sampled"):
        yield ("rejection", "rejected"), 1
        return
    yield ("rejection", "sampled"), 1
    # A duplicate may take the place of its longer twin, but it teaches nothing.
    yield ("rejection", "false"), step.placement in TAKEN and step.status is Status.OK


def _of_running(
    told: Told, facts: Mapping[str, Any], history: History
) -> Iterator[tuple[Key, float]]:
    """Count different outputs, seconds of running, grading and probing, and what probing showed."""
    step, evaluation = told.step, told.evaluation
    new = step.outputs_digest is not None and history.is_first_output(step)
    # What does not repeat has no digest, nor what stopped early: each is one of its own.
    is_ok, stopped = step.status is Status.OK, is_stopped(step)
    if new or (is_ok and (stopped or facts.get("determinism") == "none")):
        yield ("evaluations",), 1
    if not stopped and "wall_s" in facts:
        yield ("ran",), 1
        yield ("ran s",), facts["wall_s"]
    graded = not stopped and not history.had_evaluation(step)  # its row counts once
    if graded and evaluation is not None and evaluation.grade_s:
        yield ("graded",), 1
        yield ("graded s",), evaluation.grade_s
    if "probe_s" in facts:
        yield ("probed",), 1
        yield ("probed s",), facts["probe_s"]
    if "determinism" in facts:
        yield ("determinism", str(facts["determinism"])), 1
        yield ("near",), "near" in facts
        yield ("rounding",), "rounding" in facts


def _of_hashing(told: Told, history: History, shares_grades: bool) -> Iterator[tuple[Key, float]]:
    step, facts = told.step, told.step.ran or {}
    if step.program is None:
        return
    if not is_stopped(step) and (hit := _hit(told, history, shares_grades)) is not None:
        yield ("hit", hit.kind), 1
        yield ("gradings saved",), hit.saves_grading
    if step.behaviour is not None and history.is_first_program(step):
        match = history.probe_match(step)
        yield ("probes", "predicted"), match.predicted
        yield ("probes", "judged"), match.equal is not None
        yield ("probes", "false"), match.equal is False
    yield ("trust", "hits"), "trusts" in facts
    if "audits" in facts and told.evaluation is not None:
        yield ("trust", "audited"), 1
        yield ("trust", "wrong"), not history.same_quality(told, facts["audits"])


class Hit(NamedTuple):
    """How a step's program was recognised, see `hits`, and whether that saved a grading."""

    kind: str
    saves_grading: bool


def _hit(told: Told, history: History, shares_grades: bool) -> Hit | None:
    """Tell whether a told program was recognised."""
    step, facts = told.step, told.step.ran or {}
    if facts and not facts.get("served") and not facts.get("probes_only"):
        spared = shares_grades and "wall_s" in facts and _took_grade(told, history)
        return Hit("behaviour", saves_grading=True) if spared else None
    if (graded := history.was_graded(step)) is not None:
        return Hit("syntax", graded)
    saves = step.outputs_digest is not None or (
        told.evaluation is not None and told.evaluation.fitness is not None
    )
    if "exact" in facts:
        return Hit("exact", saves)
    if "trusts" in facts:
        return Hit("trusted", saves)
    return Hit("served", saves) if facts.get("served") else None


def _took_grade(told: Told, history: History) -> bool:
    """Tell whether what ran took the grade of equal outputs.

    A program that ran twice has one row: the second found the outputs of the first.
    """
    step, evaluation = told.step, told.evaluation
    if evaluation is None or step.outputs_digest is None:
        return False
    return not evaluation.grade_s or history.had_evaluation(step)
