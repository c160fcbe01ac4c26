"""What a run believes of its programs, for those who read: its elites, and its whole state."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from archive import queries
from archive.records import EliteRow, Kind, RunRecord
from archive.store import Archive
from evolve import checkpoint
from evolve.belief import Calibration, calibration_of, comparison_of
from evolve.config import SearchSettings
from evolve.folding import fold
from evolve.grid import Elite, Grid
from evolve.history import History, Told
from evolve.run import BLOCK, own_stage
from evolve.spec import TaskSpec
from evolve.state import Rules, State
from evolve.statistics import grouping
from evolve.telling import rows_of

Document = dict[str, Any]


def believed_fields(elite: Elite) -> Document:
    """Give what an elite is worth, and from how much that is known.

    fitness: what is believed of it, by which elites rank; standard_error: of that, 0 for the best
    initial program of a run that confirms, by which all is measured. n: instances, of train and
    fresh ones. train_fitness, train_standard_error: as measured.
    """
    return {
        "fitness": elite.mean,
        "standard_error": elite.se if elite.error is None else elite.error,
        "n": elite.n + elite.fresh,
        "fresh": elite.fresh,
        "confirmed": elite.confirmed,
        "train_fitness": elite.fitness,
        "train_standard_error": elite.se,
    }


def elite_of(row: EliteRow) -> Elite:
    """Read an elite from its row, which does not tell its size."""
    return Elite(
        row.step,
        row.program,
        row.fitness,
        nodes=0,
        n=row.n,
        se=row.se,
        believed=row.mean,
        error=row.error,
        fresh=row.fresh,
    )


def best_document(archive: Archive, run: RunRecord) -> Document | None:
    """Give the best confirmed elite of a run, the best of all if none is; None without elites."""
    elites = queries.elites(archive, run.id)
    if not elites:
        return None
    return _document(next((row for row in elites if row.confirmed), elites[0]))


def challenger_document(archive: Archive, run: RunRecord) -> Document | None:
    """Give the best elite that nobody has confirmed, if it is believed better than all confirmed ones.

    None without any confirmed one, too.
    """
    elites = queries.elites(archive, run.id)
    if elites[:1] and not elites[0].confirmed and any(row.confirmed for row in elites):
        return _document(elites[0])
    return None


def believed_of(archive: Archive, run: RunRecord, n: int) -> Elite | None:
    """Give the program that step n told as it is believed; None if it was never offered to the grid.

    An elite as its row has it; what holds no place, as the state of the run has it now.
    """
    row = next((row for row in queries.elites(archive, run.id) if row.step == n), None)
    if row is not None:
        return elite_of(row)
    state = folded(archive, run)
    told = state.step(n)
    return None if told is None or told.step.cell is None else _elite(state, told)


def confirmations_document(archive: Archive, run: RunRecord, told: int) -> Document:
    """Give what the confirm steps of a run have taught.

    told: its told confirm steps. blocks: those on which the best initial program, by which all is measured,
    was seen too. challengers: those with a gain over their parent that may be luck, seen on their
    first fresh block. slope: the share of a measured gain that is believed. doubt: the share of the
    challengers' gains that was not found again. optimism: by how much their scores on train were
    too high, on the average, in units of the score. The last three are None without challengers.
    """
    known = _calibration(archive, run) if told else None
    learned: Document = dict.fromkeys(("slope", "doubt", "optimism"))
    if known and known.pairs:
        optimism = (known.gain - known.found) / known.pairs
        learned = {"slope": known.slope, "doubt": known.doubt, "optimism": optimism}
    return {
        "told": told,
        "blocks": known.blocks if known else 0,
        "challengers": known.pairs if known else 0,
        **learned,
    }


def _calibration(archive: Archive, run: RunRecord) -> Calibration:
    """Give what confirm steps have taught of gains: as their run kept it, or else by its fold.

    As kept it is that of the last confirm step: its `typical_noise` knows no child told since, so
    whoever asks for that, or values a program by it, folds the run.
    """
    kept = queries.taught(archive, run.id)  # earlier versions kept nothing
    return folded(archive, run).calibration if kept is None else calibration_of(kept)


def believed_elites(archive: Archive, run: RunRecord) -> list[EliteRow]:
    """Give a run's elites as they are believed after all that was told.

    Their rows may be some confirm steps behind, where the run works or was killed; a fold is not.
    """
    if not SearchSettings.of(run.settings).confirm:
        return queries.elites(archive, run.id)
    cells = rows_of(folded(archive, run).grid)
    return [row for rows in cells.values() for row in rows]


def folded(archive: Archive, run: RunRecord) -> State:
    """Give the state of a run after all that was told: the run's own fold, for one who only reads.

    Takes some 0.1 seconds for 1,000 steps, less from a checkpoint on.
    """
    spec = TaskSpec.model_validate(archive.task(run.task).spec)
    settings = SearchSettings.of(run.settings)
    instances = queries.block(archive, task=run.task, stage=own_stage(run), block=BLOCK)
    rules = Rules(settings.confirm, grouping(instances or ()).units)

    def beginning() -> State:
        history = History(lambda seq: Told(*queries.told_step(archive, run.id, seq)))
        return State(Grid(spec.measures, settings.depth), rules, history)

    state = checkpoint.restored(archive, run.id, beginning, run.told)
    for step, evaluation, nodes in queries.told_facts(archive, run.id, first=state.told):
        state = fold(state, step, evaluation, nodes, whole=False)
    return state


def _document(row: EliteRow) -> Document:
    return {"program": row.program, "step": row.step, **believed_fields(elite_of(row))}


class Offered(NamedTuple):
    """A program that was offered to the grid, as it is believed now, with all its measures."""

    elite: Elite
    measures: Mapping[str, float]


def offered(archive: Archive, run: RunRecord) -> list[Offered]:
    """Give every program that a run offered to its grid, to be placed on another one.

    Of those that do the same the shortest stands for all, as on the grid itself; what failed on
    fresh instances is left out.
    """
    state = folded(archive, run)
    standing: dict[int, Told] = {}
    failed: set[int] = set()
    for told in itertools.islice(
        itertools.starmap(Told, queries.told_facts(archive, run.id)), state.told
    ):
        step = told.step
        if step.kind is Kind.CONFIRM:
            found = comparison_of((step.ran or {})["compared"])
            failed |= {n for n, mean in zip(step.parents, found.means, strict=True) if mean is None}
        elif step.cell is not None:
            # Later ones that were placed are shorter than what they equal.
            standing[step.n if step.duplicate_of is None else step.duplicate_of] = told
    return [
        Offered(_elite(state, told), told.evaluation.measures)
        for told in standing.values()
        if told.evaluation is not None and told.step.n not in failed
    ]


def _elite(state: State, told: Told) -> Elite:
    """Give a program with what is believed of it."""
    step, evaluation = told.step, told.evaluation
    assert evaluation is not None
    assert evaluation.fitness is not None
    assert step.program is not None
    elite = Elite(step.n, step.program, evaluation.fitness, told.nodes, evaluation.n, evaluation.se)
    belief, believed = state.belief(step.n), state.believed(step.n)
    if belief is None or believed is None:
        return elite
    mean, variance = believed
    return replace(elite, believed=mean, error=math.sqrt(variance), fresh=belief.fresh)
