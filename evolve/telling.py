"""Decides what a finished step means: its status, what it equals, its cell, the cells that change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from archive.records import EliteRow, Evaluation, Kind, Status, Step
from evolve.folding import cells_of, confirmed, elite_of_step, fold, longer_twin, origin_of
from evolve.grid import Cell, Elite, Grid, Placement
from evolve.history import REJECTED, Told, is_rejected
from evolve.hurdle import is_stopped
from evolve.state import State

# A confirm step changes what is believed of every elite. Where few cells are held all their rows are
# written again then; else those of all cells only after so many confirm steps that this many are
# written on the average. When a run ends, all are.
ROWS_PER_CONFIRM_STEP = 64


@dataclass(frozen=True)
class Verdict:
    """What tell decided: the step with its told fields, and the cells to be written."""

    state: State
    step: Step
    cells: Mapping[Cell, tuple[EliteRow, ...]]


def tell(state: State, step: Step, evaluation: Evaluation | None, nodes: int) -> Verdict:
    """Decide what a finished step means in the state after the previous tell.

    A program or an outputs digest that was told before never takes a cell: the step becomes a
    duplicate of the lowest told step it equals. Called once per state, since the history grows
    here; telling the very same again, whose commit failed, gives the same verdict.
    """
    if step.kind is Kind.CONFIRM:
        return _tell_confirmed(state, step)
    twin = _twin(state, step)
    status = Status.DUPLICATE if twin else _status(step, evaluation)
    told = replace(
        step,
        status=status,
        reason=_reason(step, evaluation, twin),
        duplicate_of=twin.step.n if twin else None,
        told_seq=state.told,
    )
    if evaluation is not None and evaluation.fitness is not None:
        told = _placed(state, told, evaluation, nodes)
    return _verdict(state, told, fold(state, told, evaluation, nodes))


def _placed(state: State, step: Step, evaluation: Evaluation, nodes: int) -> Step:
    """Find a program's cell, and what the grid thinks of it."""
    if is_stopped(step):
        return replace(step, placement=Placement.NOT_ADDED.name)
    if step.status is Status.OK:
        cell, _ = state.grid.locate(evaluation.measures)
        elite = elite_of_step(state, step, evaluation, nodes)
        return replace(step, cell=cell, placement=state.grid.place(cell, elite)[1].name)
    longer = longer_twin(state, step, nodes)
    if longer is None:
        return step
    # Of programs that do the same the shortest stands for all; it is still a duplicate.
    return replace(step, cell=longer[0], placement=Placement.IMPROVED.name)


def _twin(state: State, step: Step) -> Told | None:
    """Find the lowest told step that this one equals, by syntax or by what it gives out."""
    if (same := _same_program(state, step)) is not None:
        return same
    if is_rejected(step):
        return state.step((step.ran or {})[REJECTED]["nearest"])
    return state.digest(step.outputs_digest) or origin_of(state, step)


def _same_program(state: State, step: Step) -> Told | None:
    same = state.program(step.program) if step.program is not None else None
    if same is None or same.step.duplicate_of is None:
        return same
    if not is_rejected(same.step):
        return state.step(same.step.duplicate_of)
    # Nobody knows what a rejected program is worth: one that was run is no duplicate of it.
    was_run = step.ran is not None and not is_rejected(step)
    return None if was_run else same


def _status(step: Step, evaluation: Evaluation | None) -> Status:
    if step.status is not None:
        return step.status
    if evaluation is not None:
        return evaluation.status
    # Time-outs and broken limits have no evaluation row: they stay with their step.
    return Status(step.ran["status"]) if step.ran else Status.UNWRITTEN


def _reason(step: Step, evaluation: Evaluation | None, twin: Told | None) -> str | None:
    if twin is not None:
        same_syntax = step.program is not None and step.program == twin.step.program
        if is_rejected(step) and not same_syntax:
            return str((step.ran or {})["reason"])
        return f"{'same syntax' if same_syntax else 'same behaviour'} as step {twin.step.n}"
    if step.reason is not None:
        return step.reason
    if evaluation is not None and not is_stopped(step):
        return evaluation.reason
    return str(step.ran["reason"]) if step.ran and step.ran.get("reason") else None


def _tell_confirmed(state: State, step: Step) -> Verdict:
    """Settle who holds the challenger's cell, by what a fresh block has shown."""
    challenger = state.step(step.parents[0])
    assert challenger is not None
    cell = challenger.step.cell
    assert cell is not None
    after = confirmed(state, step)
    held = after.grid.cells.get(cell, ())
    holds = bool(held) and held[0].step == challenger.step.n
    told = replace(
        step,
        status=Status.OK,
        told_seq=state.told,
        cell=cell,
        placement=(Placement.IMPROVED if holds else Placement.NOT_ADDED).name,
    )
    return _verdict(state, told, fold(state, told, None, 0, after=after))


def _verdict(before: State, step: Step, after: State) -> Verdict:
    if after.grid is before.grid:
        return Verdict(after, step, {})
    compared = cells_of(after, step.parents) if step.kind is Kind.CONFIRM else None
    if compared and after.confirms % max(1, len(after.grid.cells) // ROWS_PER_CONFIRM_STEP) == 0:
        return Verdict(after, step, dict.fromkeys(compared, ()) | rows_of(after.grid))
    changed = after.grid.changed(before.grid, compared)
    return Verdict(after, step, {cell: _rows(cell, held) for cell, held in changed})


def rows_of(grid: Grid) -> dict[Cell, tuple[EliteRow, ...]]:
    """Give the rows of all cells, every elite as it is believed now."""
    return {cell: _rows(cell, grid.cells[cell]) for cell in grid.order}


def _rows(cell: Cell, elites: tuple[Elite, ...]) -> tuple[EliteRow, ...]:
    return tuple(
        EliteRow(
            cell,
            slot,
            elite.step,
            elite.program,
            elite.fitness,
            elite.n,
            elite.se,
            elite.confirmed,
            elite.mean,
            elite.error,
            elite.fresh,
        )
        for slot, elite in enumerate(elites)
    )
