"""What a run knows after k told steps: S(k), a fold over told rows that decides nothing twice.

A snapshot is a prefix: the history only grows, and a `State` looks at its first `told` entries,
so keeping many of them costs nothing and no state ever sees what was told after it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from archive.records import EliteRow, Evaluation, Kind, Status, Step
from evolve.credit import Credit
from evolve.grid import Cell, Elite, Grid, Placement

# How many of the best a state keeps at hand, for parents by rank.
NUM_BEST = 5
# What became of programs that a model may mend.
FAILED = (Status.INVALID, Status.CRASHED, Status.TIMEOUT, Status.OVER_LIMIT)


@dataclass(frozen=True, slots=True)
class Told:
    """One told step with what was known of its program."""

    step: Step
    evaluation: Evaluation | None
    nodes: int

    @property
    def fitness(self) -> float | None:
        return self.evaluation.fitness if self.evaluation else None


class History:
    """The told steps in their order, with indexes; it only grows."""

    def __init__(self) -> None:
        self.entries: list[Told] = []
        self.seq_of_step: dict[int, int] = {}
        self.seq_of_program: dict[str, int] = {}
        self.seq_of_digest: dict[str, int] = {}
        self.seq_of_behaviour: dict[str, int] = {}
        # Per parent: when each distinct child was told, and the tune children with their success.
        self.children: dict[int, list[int]] = {}
        self.tunes: dict[int, list[tuple[int, bool]]] = {}

    def append(self, told: Told) -> None:
        seq, step = len(self.entries), told.step
        self.entries.append(told)
        self.seq_of_step[step.n] = seq
        if step.status is not Status.DUPLICATE and step.parents:
            self.children.setdefault(step.parents[0], []).append(seq)
        if step.operator == "tune" and step.parents:
            success = self._better_than_parent(told)
            self.tunes.setdefault(step.parents[0], []).append((seq, success))
        if step.program is not None:
            self.seq_of_program.setdefault(step.program, seq)
        if step.outputs_digest is not None:
            self.seq_of_digest.setdefault(step.outputs_digest, seq)
        if step.behaviour is not None:
            self.seq_of_behaviour.setdefault(step.behaviour, seq)

    def _better_than_parent(self, told: Told) -> bool:
        parent = self.entries[self.seq_of_step[told.step.parents[0]]]
        return (
            told.step.status is Status.OK
            and told.fitness is not None
            and parent.fitness is not None
            and told.fitness > parent.fitness
        )


@dataclass(frozen=True)
class State:
    """S(told).

    evaluations: told steps whose outputs digest was new to the run. clipped: programs whose
    measures lay outside the grid's ranges. best: the five best programs in total order.
    initial: the valid initial programs. credit: the accounts of operators and models.
    """

    grid: Grid
    history: History = field(default_factory=History, repr=False)
    told: int = 0
    evaluations: int = 0
    clipped: int = 0
    best: tuple[Elite, ...] = ()
    initial: tuple[Elite, ...] = ()
    credit: Credit = field(default_factory=Credit)

    @cached_property
    def ranked(self) -> tuple[Elite, ...]:
        """All elites, best first; sorted once per state."""
        return tuple(sorted(self.grid.elites(), key=Elite.key))

    def step(self, n: int) -> Told | None:
        """Give a told step by its number, None if it was not told yet in this state."""
        return self._entry(self.history.seq_of_step.get(n))

    def program(self, program: str) -> Told | None:
        """Give the first told step with this program."""
        return self._entry(self.history.seq_of_program.get(program))

    def digest(self, outputs_digest: str | None) -> Told | None:
        """Give the lowest told step with this outputs digest."""
        if outputs_digest is None:
            return None
        return self._entry(self.history.seq_of_digest.get(outputs_digest))

    def behaviour(self, behaviour: str | None) -> Told | None:
        """Give the first told step with this functional hash over the probes, which predicts."""
        return (
            None if behaviour is None else self._entry(self.history.seq_of_behaviour.get(behaviour))
        )

    def latest(self, number: int) -> list[Told]:
        """Give the steps that were told last, the last first."""
        return self.history.entries[max(self.told - number, 0) : self.told][::-1]

    def num_children(self, n: int) -> int:
        """Count the distinct programs made from step n."""
        return bisect_left(self.history.children.get(n, []), self.told)

    def tuned(self, n: int) -> tuple[bool, ...]:
        """Tell for each tune child of step n whether it was better, in the order of tells."""
        return tuple(ok for seq, ok in self.history.tunes.get(n, []) if seq < self.told)

    def _entry(self, seq: int | None) -> Told | None:
        return None if seq is None or seq >= self.told else self.history.entries[seq]


@dataclass(frozen=True)
class Verdict:
    """What tell decided: the step with its told fields, and the cells that changed."""

    state: State
    step: Step
    cells: Mapping[Cell, tuple[EliteRow, ...]]


def tell(state: State, step: Step, evaluation: Evaluation | None, nodes: int) -> Verdict:
    """Decide what a finished step means in the state after the previous tell.

    A program or an outputs digest that was told before never takes a cell: the step becomes a
    duplicate of the lowest told step it equals. Called once per state, since the history grows
    here; telling the very same again, whose commit failed, gives the same verdict.
    """
    twin = _twin(state, step)
    status = Status.DUPLICATE if twin else _status(step, evaluation)
    told = replace(
        step,
        status=status,
        reason=_reason(step, evaluation, twin),
        duplicate_of=twin.step.n if twin else None,
        told_seq=state.told,
    )
    if status is not Status.OK or evaluation is None or evaluation.fitness is None:
        return Verdict(fold(state, told, evaluation, nodes), told, {})
    cell, _ = state.grid.locate(evaluation.measures)
    grid, placement = state.grid.place(cell, _elite(step, evaluation, nodes))
    told = replace(told, cell=cell, placement=placement.name)
    changed = {} if placement is Placement.NOT_ADDED else {cell: _rows(cell, grid.cells[cell])}
    return Verdict(fold(state, told, evaluation, nodes), told, changed)


def fold(state: State, step: Step, evaluation: Evaluation | None, nodes: int) -> State:
    """Take a told row into the state. Reads the row and decides nothing."""
    new_digest = step.outputs_digest is not None and state.digest(step.outputs_digest) is None
    told, later = Told(step, evaluation, nodes), state.history.entries[state.told :]
    if not later:
        state.history.append(told)
    elif later != [told]:
        raise ValueError(f"step {step.n} is told after {state.told}, not after the last tell")
    state = replace(
        state,
        told=state.told + 1,
        evaluations=state.evaluations + int(new_digest),
        credit=_credited(state.credit, step),
    )
    if step.status is not Status.OK or step.cell is None or evaluation is None:
        return state
    elite = _elite(step, evaluation, nodes)
    _, clipped = state.grid.locate(evaluation.measures)
    return replace(
        state,
        grid=state.grid.place(step.cell, elite)[0],
        clipped=state.clipped + int(clipped),
        best=tuple(sorted((*state.best, elite), key=Elite.key)[:NUM_BEST]),
        initial=(*state.initial, elite) if step.kind is Kind.INITIAL else state.initial,
    )


def _credited(credit: Credit, step: Step) -> Credit:
    if step.kind is not Kind.SEARCH:
        return credit
    taken = step.placement in (Placement.NEW.name, Placement.IMPROVED.name)
    arm = (step.operator, step.model)
    return credit.told(arm, taken=taken, usd=step.usd, tokens=step.tokens)


def _twin(state: State, step: Step) -> Told | None:
    """Find the lowest told step that this one equals, by syntax or by what it gives out."""
    same = state.program(step.program) if step.program is not None else None
    if same is not None and same.step.duplicate_of is not None:
        same = state.step(same.step.duplicate_of)
    return same or state.digest(step.outputs_digest)


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
        return f"{'same syntax' if same_syntax else 'same behaviour'} as step {twin.step.n}"
    if step.reason is not None:
        return step.reason
    if evaluation is not None:
        return evaluation.reason
    return str(step.ran["reason"]) if step.ran and step.ran.get("reason") else None


def _elite(step: Step, evaluation: Evaluation, nodes: int) -> Elite:
    assert step.program is not None
    assert evaluation.fitness is not None
    return Elite(step.n, step.program, evaluation.fitness, nodes, evaluation.n, evaluation.se)


def _rows(cell: Cell, elites: tuple[Elite, ...]) -> tuple[EliteRow, ...]:
    return tuple(
        EliteRow(cell, slot, e.step, e.program, e.fitness, e.n, e.se, e.confirmed)
        for slot, e in enumerate(elites)
    )
