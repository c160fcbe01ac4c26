"""The told steps of a run in their order, with indexes: it only grows."""

from __future__ import annotations

from dataclasses import dataclass

from archive.records import Evaluation, Kind, Status, Step
from evolve.belief import Belief
from evolve.hurdle import is_stopped

# The key of the facts of a program that is not run since it is not new, or would not have been.
REJECTED = "rejected"
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


def is_rejected(step: Step) -> bool:
    """Tell whether a step's program was not run since it is like an elite, in text and behaviour."""
    facts = (step.ran or {}).get(REJECTED)
    return facts is not None and not facts.get("sampled")
