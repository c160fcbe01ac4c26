"""The told steps of a run in their order, with indexes: it only grows."""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping

from archive.records import Kind, Status, Step
from evolve.belief import Belief
from evolve.cells import Cell
from evolve.entries import Entries, Recall, Told

__all__ = ["FAILED", "REJECTED", "History", "Told", "is_rejected"]

# The key of the facts of a program that is not run since it is not new, or would not have been.
REJECTED = "rejected"
# What became of programs that a model may mend.
FAILED = (Status.INVALID, Status.CRASHED, Status.TIMEOUT, Status.OVER_LIMIT)

# What stands for a step that was not told.
UNTOLD = -1
# Scores of so many latest entries are at hand for their children.
SCORED = 10_000


class History:
    """The told steps in their order, with indexes; it only grows.

    recall: reads a told step again from its rows, see `Entries`. The indexes hold what is looked up
    of every step ever told: keys, fitness and beliefs, some hundred bytes each.
    """

    def __init__(self, recall: Recall | None = None) -> None:
        self.entries = Entries(recall)
        self._seq_of_step = array("q")
        self._fitness = array("d")  # by seq; NaN where there is none
        self._scores: dict[int, Mapping[str, float]] = {}
        self.seq_of_program: dict[str, int] = {}
        self.seq_of_digest: dict[str, int] = {}
        self.seq_of_behaviour: dict[str, int] = {}
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
        if (seq, shorter) not in held:
            held.append((seq, shorter))

    def believe(self, n: int, seq: int, belief: Belief) -> None:
        """Keep a belief that holds from tell `seq` on; keeping the same one again changes nothing."""
        held = self.beliefs.setdefault(n, [])
        if not held or held[-1][0] < seq:
            held.append((seq, belief))

    def belief(self, n: int, told: int) -> Belief | None:
        """Give what was believed of a program when so many were told; None if it never was ok."""
        for seq, belief in reversed(self.beliefs.get(n, ())):
            if seq < told:
                return belief
        return None

    def append(self, told: Told, whole: bool = True) -> None:
        """Take the next told step in. whole: False if texts are left out, so that it is not kept."""
        seq, step = len(self.entries), told.step
        if whole:
            self.entries.append(told)
        else:
            self.entries.skip()
        if step.n >= len(self._seq_of_step):
            self._seq_of_step.extend([UNTOLD] * (step.n + 1 - len(self._seq_of_step)))
        self._seq_of_step[step.n] = seq
        self._fitness.append(math.nan if told.fitness is None else told.fitness)
        if told.evaluation is not None:
            self._keep_scores(seq, told.evaluation.scores)
        if step.kind is Kind.CONFIRM:
            return
        if step.status is not Status.DUPLICATE and step.parents:
            self.children.setdefault(step.parents[0], array("q")).append(seq)
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
        """Give a told step by its number."""
        seq = self.seq_of_step(n)
        assert seq is not None
        return self.entries[seq]

    def _same_quality(self, told: Told, origin: Told) -> bool:
        one, other = told.evaluation, origin.evaluation
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
