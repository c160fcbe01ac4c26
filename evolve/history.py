"""The told steps of a run in their order, with indexes: it only grows."""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, NamedTuple

from archive.records import Kind, Status, Step
from evolve.belief import Belief
from evolve.cells import Cell
from evolve.entries import Entries, Recall, Told
from evolve.hurdle import is_stopped

__all__ = ["FAILED", "REJECTED", "SPARED", "History", "Told", "is_rejected"]

# The key of the facts of a program that is not run since it is not new, or would not have been.
REJECTED = "rejected"
# The key of the facts of a program that the judge called new.
SPARED = "spared"
# What became of programs that a model may mend.
FAILED = (Status.INVALID, Status.CRASHED, Status.TIMEOUT, Status.OVER_LIMIT)

BELIEF = [each.name for each in fields(Belief)]
# What stands for a step that was not told.
UNTOLD = -1
# Scores of so many latest entries are at hand for their children.
SCORED = 10_000


class Mark:
    """What is remembered of a told step beside its keys.

    CHILD: of its first parent, and no duplicate. STOPPED: at the hurdle. GRADED: there are grades of
    what it gives out. WITNESS: its outputs tell whether equal functional hashes meant equal outputs.
    ORIGIN: its quality may be trusted to be that of others. DROPPED: an audit found that it differs.
    """

    CHILD = 1
    STOPPED = 2
    GRADED = 4
    WITNESS = 8
    ORIGIN = 16
    DROPPED = 32


class Line(NamedTuple):
    """What is looked up of a told step, be it told a million steps ago.

    parent: the first of its parents, None for a confirm step. tuned: of a `tune` child whether it
    was better. marks: see `Mark`.
    """

    n: int
    fitness: float | None
    program: str | None = None
    outputs_digest: str | None = None
    behaviour: str | None = None
    evaluation: int | None = None
    parent: int | None = None
    tuned: bool | None = None
    marks: int = 0


class Part(NamedTuple):
    """What a history took in since its last checkpoint, in the order in which it came.

    lines: one per told step. beliefs: (step, from which tell on, the fields of a `Belief`).
    stand_ins: (longer, told after, shorter); cells: (step, its cell).
    """

    lines: list[Sequence[Any]]
    beliefs: list[Sequence[Any]]
    stand_ins: list[Sequence[int]]
    cells: list[Sequence[Any]]


class ProbeMatch(NamedTuple):
    """What an equal functional hash foretold. equal: whether outputs were equal, None if unknown."""

    predicted: bool
    equal: bool | None


class History:
    """The told steps in their order, with indexes; it only grows.

    recall: reads a told step again from its rows, see `Entries`. The indexes hold what is looked up
    of every step ever told: keys, fitness and beliefs, some hundred bytes each.
    """

    def __init__(self, recall: Recall | None = None) -> None:
        self.entries = Entries(recall)
        self._seq_of_step = array("q")
        # By seq: NaN where there is no fitness; the evaluation's row; the first with equal outputs.
        self._fitness, self._evaluation = array("d"), array("q")
        self._outputs, self._marks = array("q"), bytearray()
        self._scores: dict[int, Mapping[str, float]] = {}
        self.seq_of_program: dict[str, int] = {}
        self.seq_of_digest: dict[str, int] = {}
        self.seq_of_behaviour: dict[str, int] = {}
        # The first witness of a functional hash where the first step with it is none.
        self._later_witness: dict[str, int] = {}
        # Of what a task trusts: who was evaluated first, and when an audit found that it differs.
        self.seq_of_origin: dict[str, int] = {}
        self.dropped: dict[str, int] = {}
        # Per parent: when each distinct child was told, and the tune children with their success.
        self.children: dict[int, array[int]] = {}
        self.tunes: dict[int, list[tuple[int, bool]]] = {}
        # Who took a longer twin's place, and when.
        self.stand_ins: dict[int, list[tuple[int, int]]] = {}
        # Of each program that ever was in the grid.
        self.cell_of_step: dict[int, Cell] = {}
        # Per program's step: what was believed of it, and from which tell on.
        self.beliefs: dict[int, list[tuple[int, Belief]]] = {}
        # Nothing is noted unless somebody keeps checkpoints.
        self.part: Part | None = None

    def begin_part(self) -> None:
        """Note from now on what is taken in, for the next checkpoint."""
        self.part = Part([], [], [], [])

    def take(self, part: Part) -> None:
        """Take in what was noted elsewhere; its steps are recalled when somebody asks."""
        for line in part.lines:
            self.entries.skip()
            self._take(len(self.entries) - 1, Line(*line))
        for n, seq, *known in part.beliefs:
            self.beliefs.setdefault(n, []).append((seq, Belief(*known)))
        for longer, seq, shorter in part.stand_ins:
            self.stand_ins.setdefault(longer, []).append((seq, shorter))
        for n, cell in part.cells:
            self.cell_of_step[n] = tuple(cell)

    def seq_of_step(self, n: int) -> int | None:
        """Give when step n was told, None if it was not."""
        seq = self._seq_of_step[n] if n < len(self._seq_of_step) else UNTOLD
        return None if seq == UNTOLD else seq

    def fitness(self, seq: int) -> float | None:
        """Give `Told.fitness` of an entry."""
        fitness = self._fitness[seq]
        return None if math.isnan(fitness) else fitness

    def scores(self, seq: int) -> Mapping[str, float]:
        """Give the scores of an entry that has an evaluation."""
        if seq not in self._scores:
            evaluation = self.entries[seq].evaluation
            assert evaluation is not None
            self._keep_scores(seq, evaluation.scores)
        return self._scores[seq]

    def _keep_scores(self, seq: int, scores: Mapping[str, float]) -> None:
        self._scores[seq] = scores
        if len(self._scores) > SCORED:
            del self._scores[next(iter(self._scores))]

    def stand_in(self, n: int, seq: int, shorter: int) -> None:
        """Remember that a shorter program took the place of step n; doing it again changes nothing."""
        held = self.stand_ins.setdefault(n, [])
        if (seq, shorter) in held:
            return
        held.append((seq, shorter))
        if self.part is not None:
            self.part.stand_ins.append((n, seq, shorter))

    def settle(self, n: int, cell: Cell) -> None:
        """Remember the cell in which a program was; doing it again changes nothing."""
        self.cell_of_step[n] = cell
        if self.part is not None:
            self.part.cells.append((n, cell))

    def believe(self, n: int, seq: int, belief: Belief) -> None:
        """Keep a belief that holds from tell `seq` on; keeping the same one again changes nothing."""
        held = self.beliefs.setdefault(n, [])
        if held and held[-1][0] >= seq:
            return
        held.append((seq, belief))
        if self.part is not None:
            self.part.beliefs.append((n, seq, *(getattr(belief, name) for name in BELIEF)))

    def belief(self, n: int, told: int) -> Belief | None:
        """Give what was believed of a program when so many were told; None if it never was ok."""
        for seq, belief in reversed(self.beliefs.get(n, ())):
            if seq < told:
                return belief
        return None

    def append(self, told: Told, whole: bool = True) -> None:
        """Take the next told step in. whole: False if texts are left out, so that it is not kept."""
        line, seq = self._line(told), len(self.entries)
        if whole:
            self.entries.append(told)
        else:
            self.entries.skip()
        self._take(seq, line)
        if self.part is not None:
            self.part.lines.append(line)
        if told.evaluation is not None:
            self._keep_scores(seq, told.evaluation.scores)

    def _line(self, told: Told) -> Line:
        """Say what will be looked up of a told step."""
        step, fitness = told.step, told.fitness
        if step.kind is Kind.CONFIRM:
            return Line(step.n, fitness)
        return Line(
            step.n,
            fitness,
            step.program,
            step.outputs_digest,
            step.behaviour,
            step.evaluation,
            step.parents[0] if step.parents else None,
            self._better_than_parent(told) if step.operator == "tune" and step.parents else None,
            self._marks_of(told),
        )

    def _marks_of(self, told: Told) -> int:
        step, facts, evaluation = told.step, told.step.ran or {}, told.evaluation
        marks = 0
        if step.status is not Status.DUPLICATE and step.parents:
            marks |= Mark.CHILD
        if is_stopped(step):
            marks |= Mark.STOPPED
        if step.outputs_digest is not None:
            # What only the probes decided cannot be their witness.
            marks |= Mark.GRADED if facts.get("probes_only") else Mark.GRADED | Mark.WITNESS
        if evaluation is not None and evaluation.fitness is not None:
            marks |= Mark.GRADED
        if told.fitness is not None and step.status is Status.OK and "trusts" not in facts:
            marks |= Mark.ORIGIN
        if "audits" in facts and evaluation is not None:  # no clock is a judge
            marks |= 0 if self.same_quality(told, facts["audits"]) else Mark.DROPPED
        return marks

    def _take(self, seq: int, line: Line) -> None:
        """Make a told step one that is found."""
        if line.n >= len(self._seq_of_step):
            self._seq_of_step.extend([UNTOLD] * (line.n + 1 - len(self._seq_of_step)))
        self._seq_of_step[line.n] = seq
        self._fitness.append(math.nan if line.fitness is None else line.fitness)
        self._evaluation.append(UNTOLD if line.evaluation is None else line.evaluation)
        self._marks.append(line.marks)
        if line.parent is not None:
            if line.marks & Mark.CHILD:
                self.children.setdefault(line.parent, array("q")).append(seq)
            if line.tuned is not None:
                self.tunes.setdefault(line.parent, []).append((seq, line.tuned))
        if line.program is not None:
            self.seq_of_program.setdefault(line.program, seq)
        outputs = line.outputs_digest
        self._outputs.append(
            UNTOLD if outputs is None else self.seq_of_digest.setdefault(outputs, seq)
        )
        if line.behaviour is not None:
            self._take_behaviour(seq, line.behaviour, line.marks)

    def _take_behaviour(self, seq: int, behaviour: str, marks: int) -> None:
        first = self.seq_of_behaviour.setdefault(behaviour, seq)
        if marks & Mark.WITNESS and not self._marks[first] & Mark.WITNESS:
            self._later_witness.setdefault(behaviour, seq)
        if marks & Mark.DROPPED:
            self.dropped.setdefault(behaviour, seq)
        if marks & Mark.ORIGIN:
            self.seq_of_origin.setdefault(behaviour, seq)

    def is_first_program(self, step: Step) -> bool:
        """Tell whether no step with the same program was told before a told one."""
        return self.seq_of_program[step.program or ""] == self.seq_of_step(step.n)

    def is_first_output(self, step: Step) -> bool:
        """Tell whether no step with the same outputs was told before a told one that has some."""
        seq = self.seq_of_step(step.n)
        return seq is not None and self._outputs[seq] == seq

    def was_graded(self, step: Step) -> bool | None:
        """Tell whether there were grades of a told step's program before; None if it was new.

        What stopped at the hurdle is new to whoever runs it in full.
        """
        first = self._earlier(step)
        if first is None or self._marks[first] & Mark.STOPPED:
            return None
        return bool(self._marks[first] & Mark.GRADED)

    def had_evaluation(self, step: Step) -> bool:
        """Tell whether a told step's evaluation was that of its program before."""
        first = self._earlier(step)
        return first is not None and self._evaluation[first] == step.evaluation

    def probe_match(self, step: Step) -> ProbeMatch:
        """Give what the functional hash of a told step foretold, judged by the first that can judge."""
        seq, behaviour = self.seq_of_step(step.n), step.behaviour
        assert seq is not None
        assert behaviour is not None
        first = self.seq_of_behaviour[behaviour]
        witness = first if self._marks[first] & Mark.WITNESS else self._later_witness.get(behaviour)
        if witness is None or witness >= seq or not self._marks[seq] & Mark.WITNESS:
            return ProbeMatch(first < seq, None)
        return ProbeMatch(first < seq, self._outputs[witness] == self._outputs[seq])

    def _earlier(self, step: Step) -> int | None:
        """Give the first told step with the program of a told one, None if it is that one."""
        first = self.seq_of_program.get(step.program or "")
        return None if first == self.seq_of_step(step.n) else first

    def of_step(self, n: int) -> Told:
        """Give a told step by its number."""
        seq = self.seq_of_step(n)
        assert seq is not None
        return self.entries[seq]

    def same_quality(self, told: Told, n: int) -> bool:
        """Tell whether a program is worth and measures the same as that of a told step."""
        one, other = told.evaluation, self.of_step(n).evaluation
        if one is None or other is None:
            return one is other
        return (one.fitness, one.measures) == (other.fitness, other.measures)

    def _better_than_parent(self, told: Told) -> bool:
        seq = self.seq_of_step(told.step.parents[0])
        assert seq is not None
        own, parents = told.fitness, self.fitness(seq)
        if told.step.status is not Status.OK or own is None or parents is None:
            return False
        return own > parents


def is_rejected(step: Step) -> bool:
    """Tell whether a step's program was not run since it is like an elite, in text and behaviour."""
    facts = (step.ran or {}).get(REJECTED)
    return facts is not None and not facts.get("sampled")
