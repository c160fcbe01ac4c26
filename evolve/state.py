"""What a run knows after k told steps: S(k), a fold over told rows that decides nothing twice.

A snapshot is a prefix: the history only grows, and a `State` looks at its first `told` entries,
so keeping many of them costs nothing and no state ever sees what was told after it.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from archive.records import EliteRow, Evaluation, Kind, Status, Step
from evolve.belief import (
    Belief,
    Calibration,
    Comparison,
    compared,
    comparison_of,
    gain_noise,
)
from evolve.credit import Credit
from evolve.grid import Cell, Elite, Grid, Placement
from evolve.hurdle import HURDLE, HurdleRecord, is_stopped

# How many of the best a state keeps at hand, for parents by rank.
NUM_BEST = 5
# While gains hold, so much of the bound on confirm steps is still spent, to see if they go on to.
LEAST_CONFIRMED = 0.5
# The key of the facts of a program that is not run since it is not new, or would not have been.
REJECTED = "rejected"
# What became of programs that a model may mend.
FAILED = (Status.INVALID, Status.CRASHED, Status.TIMEOUT, Status.OVER_LIMIT)


@dataclass(frozen=True, slots=True)
class Rules:
    """What a run knows from its beginning on.

    confirm: the largest share of steps that may confirm; 0 believes every score as measured.
    units: {instance: what it shares with others}, see `statistics.Grouping`.
    """

    confirm: float = 0.0
    units: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Told:
    """One told step with what was known of its program."""

    step: Step
    evaluation: Evaluation | None
    nodes: int

    @property
    def fitness(self) -> float | None:
        """The fitness on the train block; None for what stopped at the hurdle, on a part of it."""
        return self.evaluation.fitness if self.evaluation and not is_stopped(self.step) else None


class History:
    """The told steps in their order, with indexes; it only grows."""

    def __init__(self) -> None:
        self.entries: list[Told] = []
        self.seq_of_step: dict[int, int] = {}
        self.seq_of_program: dict[str, int] = {}
        self.seq_of_digest: dict[str, int] = {}
        self.seq_of_behaviour: dict[str, int] = {}
        # Of what a task trusts: who was evaluated first, and when an audit found that it differs.
        self.seq_of_origin: dict[str, int] = {}
        self.dropped: dict[str, int] = {}
        # Per parent: when each distinct child was told, and the tune children with their success.
        self.children: dict[int, list[int]] = {}
        self.tunes: dict[int, list[tuple[int, bool]]] = {}
        # Who took a longer twin's place, and when.
        self.stand_ins: dict[int, list[tuple[int, int]]] = {}
        # Per program's step: what was believed of it, and from which tell on.
        self.beliefs: dict[int, list[tuple[int, Belief]]] = {}

    def stand_in(self, n: int, seq: int, shorter: int) -> None:
        """Remember that a shorter program took the place of step n; doing it again changes nothing."""
        held = self.stand_ins.setdefault(n, [])
        if (seq, shorter) not in held:
            held.append((seq, shorter))

    def believe(self, n: int, seq: int, belief: Belief) -> None:
        """Keep a belief that holds from tell `seq` on; keeping the same one again changes nothing."""
        held = self.beliefs.setdefault(n, [])
        if not held or held[-1][0] < seq:
            held.append((seq, belief))

    def append(self, told: Told) -> None:
        seq, step = len(self.entries), told.step
        self.entries.append(told)
        self.seq_of_step[step.n] = seq
        if step.kind is Kind.CONFIRM:
            return
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
            self._trust(told, seq, step.behaviour)

    def _trust(self, told: Told, seq: int, behaviour: str) -> None:
        """Remember whose quality may be trusted, and of whom an audit has found otherwise."""
        facts = told.step.ran or {}
        audited = "audits" in facts and told.evaluation is not None  # no clock is a judge
        if audited and not self._same_quality(told, self.of_step(facts["audits"])):
            self.dropped.setdefault(behaviour, seq)
        if told.fitness is not None and told.step.status is Status.OK and "trusts" not in facts:
            self.seq_of_origin.setdefault(behaviour, seq)

    def of_step(self, n: int) -> Told:
        return self.entries[self.seq_of_step[n]]

    def _same_quality(self, told: Told, origin: Told) -> bool:
        one, other = told.evaluation, origin.evaluation
        if one is None or other is None:
            return one is other
        return (one.fitness, one.measures) == (other.fitness, other.measures)

    def _better_than_parent(self, told: Told) -> bool:
        parent = self.of_step(told.step.parents[0])
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
    calibration: what confirm steps taught of gains. confirms: those that were told; earned: how many
    the search steps have earned, by how much of their gains is in doubt. hurdle: what it has done.
    """

    grid: Grid
    rules: Rules = field(default_factory=Rules)
    history: History = field(default_factory=History, repr=False)
    told: int = 0
    evaluations: int = 0
    clipped: int = 0
    best: tuple[Elite, ...] = ()
    initial: tuple[Elite, ...] = ()
    credit: Credit = field(default_factory=Credit)
    calibration: Calibration = field(default_factory=Calibration)
    confirms: int = 0
    earned: float = 0.0
    hurdle: HurdleRecord = field(default_factory=HurdleRecord)

    @cached_property
    def anchor(self) -> int | None:
        """The step of the best initial program as measured, which defines the scale of beliefs."""
        return (
            min(self.initial, key=lambda e: (-e.fitness, e.nodes, e.step)).step
            if self.initial
            else None
        )

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

    def stand_ins(self, n: int) -> list[int]:
        """Give the shorter programs that took the place of step n, one after another."""
        chain = [n]
        for each in chain:  # grows while it is read: a stand-in may have one of its own
            chain += [m for seq, m in self.history.stand_ins.get(each, []) if seq < self.told]
        return chain[1:]

    def belief(self, n: int) -> Belief | None:
        """Give what is believed of a program by the step that told it; None if it never was ok."""
        held = self.history.beliefs.get(n, [])
        return next((belief for seq, belief in reversed(held) if seq < self.told), None)

    def believed(self, n: int) -> tuple[float, float] | None:
        """Give mean and variance of a program's true fitness, by the step that told it."""
        if (belief := self.belief(n)) is None:
            return None
        if n == self.anchor:  # it defines the scale
            return belief.base, 0.0
        return self.calibration.posterior(belief)

    @property
    def best_confirmed(self) -> Elite | None:
        """The best elite that was confirmed on fresh instances."""
        return next((elite for elite in self.ranked if elite.confirmed), None)

    def trusted(self, behaviour: str) -> Told | None:
        """Give who was first evaluated with this functional hash, unless an audit found it wrong."""
        if self.history.dropped.get(behaviour, self.told) < self.told:
            return None
        return self._entry(self.history.seq_of_origin.get(behaviour))

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
        elite = _elite(state, step, evaluation, nodes)
        return replace(step, cell=cell, placement=state.grid.place(cell, elite)[1].name)
    longer = _longer_twin(state, step, nodes)
    if longer is None:
        return step
    # Of programs that do the same the shortest stands for all; it is still a duplicate.
    return replace(step, cell=longer[0], placement=Placement.IMPROVED.name)


def _tell_confirmed(state: State, step: Step) -> Verdict:
    """Settle who holds the challenger's cell, by what a fresh block has shown."""
    challenger = state.step(step.parents[0])
    assert challenger is not None
    cell = challenger.step.cell
    assert cell is not None
    grid = _confirmed(state, step).grid
    holds = cell in grid.cells and grid.cells[cell][0].step == challenger.step.n
    told = replace(
        step,
        status=Status.OK,
        told_seq=state.told,
        cell=cell,
        placement=(Placement.IMPROVED if holds else Placement.NOT_ADDED).name,
    )
    return _verdict(state, told, fold(state, told, None, 0))


def _verdict(before: State, step: Step, after: State) -> Verdict:
    if after.grid is before.grid:
        return Verdict(after, step, {})
    changed = {cell: _rows(cell, held) for cell, held in after.grid.changed(before.grid)}
    return Verdict(after, step, changed)


def fold(state: State, step: Step, evaluation: Evaluation | None, nodes: int) -> State:
    """Take a told row into the state. Reads the row and decides nothing."""
    new_digest = step.outputs_digest is not None and state.digest(step.outputs_digest) is None
    # What has no digest is one of its own.
    unrepeatable = step.status is Status.OK and (step.ran or {}).get("determinism") == "none"
    stopped = is_stopped(step) and step.status is Status.OK
    told, later = Told(step, evaluation, nodes), state.history.entries[state.told :]
    if not later:
        state.history.append(told)
    elif later != [told]:
        raise ValueError(f"step {step.n} is told after {state.told}, not after the last tell")
    if step.kind is Kind.CONFIRM:
        state = replace(_confirmed(state, step), confirms=state.confirms + 1)
        return replace(state, told=state.told + 1)
    after = replace(
        state,
        told=state.told + 1,
        evaluations=state.evaluations + int(new_digest or unrepeatable or stopped),
        credit=_credited(state.credit, step),
        earned=state.earned + _earned(state, step),
        hurdle=state.hurdle.told((step.ran or {}).get(HURDLE), step.placement),
    )
    if step.cell is None or evaluation is None:
        return after
    if step.status is Status.DUPLICATE:
        return _shortened(after, step, nodes)
    elite, calibration = _elite(state, step, evaluation, nodes), state.calibration
    if state.rules.confirm:
        belief = _born(state, step, evaluation)
        state.history.believe(step.n, state.told, belief)
        if belief.chosen and belief.gain > 0.0:  # only of such can the gain be luck
            calibration = calibration.with_child(belief.noise)
    return _offered(replace(after, calibration=calibration), step, evaluation, elite)


def _offered(state: State, step: Step, evaluation: Evaluation, elite: Elite) -> State:
    """Take a program that the grid was offered into the state."""
    assert step.cell is not None
    _, clipped = state.grid.locate(evaluation.measures)
    return replace(
        state,
        grid=state.grid.place(step.cell, elite)[0],
        clipped=state.clipped + int(clipped),
        best=_best((*state.best, elite)),
        initial=(*state.initial, elite) if step.kind is Kind.INITIAL else state.initial,
    )


def _credited(credit: Credit, step: Step) -> Credit:
    if step.kind is not Kind.SEARCH:
        return credit
    is_ok = step.status is Status.OK
    taken = is_ok and step.placement in (Placement.NEW.name, Placement.IMPROVED.name)
    arm = (step.operator, step.model)
    return credit.told(arm, taken=taken, usd=step.usd, tokens=step.tokens)


def _twin(state: State, step: Step) -> Told | None:
    """Find the lowest told step that this one equals, by syntax or by what it gives out."""
    if (same := _same_program(state, step)) is not None:
        return same
    if is_rejected(step):
        return state.step((step.ran or {})[REJECTED]["nearest"])
    return state.digest(step.outputs_digest) or _origin(state, step)


def _same_program(state: State, step: Step) -> Told | None:
    same = state.program(step.program) if step.program is not None else None
    if same is None or same.step.duplicate_of is None:
        return same
    if not is_rejected(same.step):
        return state.step(same.step.duplicate_of)
    # Nobody knows what a rejected program is worth: one that was run is no duplicate of it.
    was_run = step.ran is not None and not is_rejected(step)
    return None if was_run else same


def is_rejected(step: Step) -> bool:
    """Tell whether a step's program was not run since it is like an elite, in text and behaviour."""
    facts = (step.ran or {}).get(REJECTED)
    return facts is not None and not facts.get("sampled")


def _origin(state: State, step: Step) -> Told | None:
    """Give the step whose quality this one trusts to be its own."""
    n = (step.ran or {}).get("trusts")
    return None if n is None else state.step(n)


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


def _elite(state: State, step: Step, evaluation: Evaluation, nodes: int) -> Elite:
    """Make a program an elite, of which is believed what the state says of such gains."""
    assert step.program is not None
    assert evaluation.fitness is not None
    elite = Elite(step.n, step.program, evaluation.fitness, nodes, evaluation.n, evaluation.se)
    if not state.rules.confirm:
        return elite
    mean, variance = state.calibration.posterior(_born(state, step, evaluation))
    return replace(elite, believed=mean, error=math.sqrt(variance))


def _born(state: State, step: Step, evaluation: Evaluation) -> Belief:
    """Say what a program's worth will be believed from."""
    assert evaluation.fitness is not None
    if step.kind is Kind.INITIAL or state.anchor is None:
        se = evaluation.se or 0.0
        return Belief(evaluation.fitness, noise=se * se, chosen=False)
    parent = state.step(step.parents[0])
    if parent is None or parent.fitness is None:  # one that failed: mended, it starts anew
        parent = state.step(state.anchor)
    assert parent is not None
    assert parent.evaluation is not None
    assert parent.fitness is not None
    believed = state.believed(parent.step.n) or (parent.fitness, 0.0)
    noise = gain_noise(evaluation.scores, parent.evaluation.scores, state.rules.units)
    return Belief(believed[0], evaluation.fitness - parent.fitness, noise, believed[1])


def _earned(state: State, step: Step) -> float:
    """Give the confirm steps that a told search step earns: more, the less gains were found to hold."""
    if step.kind is not Kind.SEARCH:
        return 0.0
    return state.rules.confirm * max(LEAST_CONFIRMED, min(1.0, 2.0 * state.calibration.doubt))


def _confirmed(state: State, step: Step) -> State:
    """Take in what a fresh block has shown; every elite is valued anew by it."""
    calibration, beliefs = _after(state, step)
    for n, belief in beliefs.items():
        for each in (n, *state.stand_ins(n)):  # who equals it is worth as much
            state.history.believe(each, state.told, belief)
    known = replace(state, calibration=calibration, told=state.told + 1)
    means = zip(step.parents, _comparison(step).means, strict=True)
    failed = {n for n, mean in means if mean is None and n != state.anchor}
    failed |= {shorter for n in failed for shorter in state.stand_ins(n)}

    def valued(elite: Elite) -> Elite | None:
        if elite.step in failed:
            return None
        belief, believed = known.belief(elite.step), known.believed(elite.step)
        if belief is None or believed is None:
            return elite
        mean, variance = believed
        return replace(elite, believed=mean, error=math.sqrt(variance), fresh=belief.fresh)

    grid = state.grid.revalued(valued)
    others = (new for old in state.best if (new := valued(old)) is not None)
    return replace(
        state,
        calibration=calibration,
        grid=grid,
        best=_best({elite.step: elite for elite in (*others, *grid.elites())}.values()),
    )


def _after(state: State, step: Step) -> tuple[Calibration, dict[int, Belief]]:
    """Give what is known of gains, and of the programs of a confirm step, after it."""
    beliefs = [state.belief(n) for n in step.parents]
    anchor = step.parents.index(state.anchor) if state.anchor in step.parents else None
    known = [belief for belief in beliefs if belief is not None]
    assert len(known) == len(beliefs)
    calibration, after = compared(state.calibration, known, anchor, _comparison(step))
    return calibration, dict(zip(step.parents, after, strict=True))


def _comparison(step: Step) -> Comparison:
    """Read what a confirm step found from its row."""
    return comparison_of((step.ran or {})["compared"])


def _longer_twin(state: State, step: Step, nodes: int) -> tuple[Cell, Elite] | None:
    """Find an elite with the same outputs and more syntax nodes, which a duplicate may replace."""
    twin = state.digest(step.outputs_digest) or _origin(state, step)
    if twin is None or twin.step.cell is None:
        return None
    digest = twin.step.outputs_digest
    for elite in state.grid.cells.get(twin.step.cell, ()):
        told = state.step(elite.step)
        same = told is not None and digest in (told.step.outputs_digest, _digest_of(state, told))
        if same and elite.nodes > nodes:
            return twin.step.cell, elite
    return None


def _digest_of(state: State, told: Told) -> str | None:
    """Give the outputs digest of what a told step trusts to be its own."""
    origin = _origin(state, told.step)
    return origin.step.outputs_digest if origin else None


def _shortened(state: State, step: Step, nodes: int) -> State:
    """Let a duplicate that is shorter stand for the elite that it equals."""
    before = replace(state, told=state.told - 1)
    found = _longer_twin(before, step, nodes)
    assert found is not None
    assert step.program is not None
    longer = found[1]
    shorter = replace(longer, step=step.n, program=step.program, nodes=nodes)
    state.history.stand_in(longer.step, before.told, step.n)
    belief = before.belief(longer.step)
    if belief is not None:
        state.history.believe(step.n, before.told, belief)

    def swapped(elite: Elite) -> Elite:
        return shorter if elite.step == longer.step else elite

    best = _best(map(swapped, state.best))
    return replace(state, grid=state.grid.revalued(swapped), best=best)


def _best(elites: Iterable[Elite]) -> tuple[Elite, ...]:
    return tuple(sorted(elites, key=Elite.key)[:NUM_BEST])


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
