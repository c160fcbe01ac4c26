"""What a run knows after k told steps, S(k): a view of the first k entries of its history.

A snapshot is a prefix: the history only grows, and a `State` looks at its first `told` entries,
so keeping many of them costs nothing and no state ever sees what was told after it.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from evolve.belief import Belief, Calibration
from evolve.credit import Credit
from evolve.grid import Elite, Grid
from evolve.history import History, Told
from evolve.hurdle import HurdleRecord

# How many of the best a state keeps at hand, for parents by rank.
NUM_BEST = 5


@dataclass(frozen=True, slots=True)
class Rules:
    """What a run knows from its beginning on.

    confirm: the largest share of steps that may confirm; 0 believes every score as measured.
    units: {instance: what it shares with others}, see `statistics.Grouping`.
    """

    confirm: float = 0.0
    units: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Valuation:
    """What programs are believed to be worth at some tell."""

    history: History
    told: int
    calibration: Calibration
    anchor: int | None

    def of(self, n: int, belief: Belief) -> tuple[float, float]:
        """Give mean and variance of what is believed of a step's program."""
        if n == self.anchor:  # it defines the scale
            return belief.base, 0.0
        return self.calibration.posterior(belief)

    def most(self, elite: Elite) -> float:
        """Give a bound that what is believed of an elite does not pass, with less work than to value it."""
        belief = self.history.belief(elite.step, self.told)
        return elite.fitness if belief is None else self.calibration.most(belief)

    def __call__(self, elite: Elite) -> Elite:
        """Give an elite as it is believed to be."""
        belief = self.history.belief(elite.step, self.told)
        if belief is None:
            return elite
        mean, variance = self.of(elite.step, belief)
        step, program, fitness, nodes = elite.step, elite.program, elite.fitness, elite.nodes
        return Elite(
            step,
            program,
            fitness,
            nodes,
            elite.n,
            elite.se,
            mean,
            math.sqrt(variance),
            belief.fresh,
            belief.most,
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

    @property
    def ranked(self) -> tuple[Elite, ...]:
        """All elites, best first; sorted once per grid."""
        return self.grid.ranked

    def step(self, n: int) -> Told | None:
        """Give a told step by its number, None if it was not told yet in this state."""
        return self._entry(self.history.seq_of_step(n))

    def program(self, program: str) -> Told | None:
        """Give the first told step with this program."""
        return self._entry(self.history.seq_of_program.get(program))

    def digest(self, outputs_digest: str | None) -> Told | None:
        """Give the lowest told step with this outputs digest."""
        if outputs_digest is None:
            return None
        return self._entry(self.history.seq_of_digest.get(outputs_digest))

    def knows_digest(self, outputs_digest: str | None) -> bool:
        """Tell whether a told step has this outputs digest."""
        seq = self.history.seq_of_digest.get(outputs_digest or "")
        return seq is not None and seq < self.told

    def fitness(self, n: int) -> float | None:
        """Give the fitness of a told step on the train block, None where it has none."""
        seq = self.history.seq_of_step(n)
        return None if seq is None or seq >= self.told else self.history.fitness(seq)

    def scores(self, n: int) -> Mapping[str, float]:
        """Give the scores of a told step that has a fitness."""
        seq = self.history.seq_of_step(n)
        assert seq is not None
        return self.history.scores(seq)

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
        return self.history.belief(n, self.told)

    def believed(self, n: int) -> tuple[float, float] | None:
        """Give mean and variance of a program's true fitness, by the step that told it."""
        belief = self.belief(n)
        return None if belief is None else self.valued(n, belief)

    def valued(self, n: int, belief: Belief) -> tuple[float, float]:
        """Give mean and variance of what is believed of a step's program."""
        return self.valuation.of(n, belief)

    @property
    def valuation(self) -> Valuation:
        """What is believed of programs now, without all else that is known."""
        return Valuation(self.history, self.told, self.calibration, self.anchor)

    @property
    def best_confirmed(self) -> Elite | None:
        """The best elite that was confirmed on fresh instances."""
        return self.grid.best_confirmed

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
        return bisect_left(self.history.children.get(n, ()), self.told)

    def tuned(self, n: int) -> tuple[bool, ...]:
        """Tell for each tune child of step n whether it was better, in the order of tells."""
        return tuple(ok for seq, ok in self.history.tunes.get(n, []) if seq < self.told)

    def _entry(self, seq: int | None) -> Told | None:
        return None if seq is None or seq >= self.told else self.history.entries[seq]
