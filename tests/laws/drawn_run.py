"""A run in which chance decides what happens next: what is told when, every score, who is a twin."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from random import Random

from archive.records import Evaluation, Kind, Status, Step
from evolve.belief import comparison
from evolve.confirming import Challenge, challenge
from evolve.grid import Grid
from evolve.spec import Measure
from evolve.state import Rules, State
from evolve.telling import tell

MEASURES = (Measure(name="kind", range=(0.0, 1.0), bins=3),)
INSTANCES = 4
MOST_WORKING = 5
# Shares of children that give out what another gave, that fail, and of programs that fail on a
# fresh block.
TWINS, FAILURES, FAILED_FRESH = 0.3, 0.1, 0.1


@dataclass(frozen=True)
class Asked:
    """A challenge, with the state that it was asked from and the steps that were under way."""

    state: State
    under_way: tuple[Step, ...]
    asked: Challenge | None


@dataclass
class DrawnRun:
    """A run of some steps. in_order: whether steps are told as they were asked.

    bins: cells of the grid. working: steps under way. asked: what every step but the initial ones was decided from.
    """

    chance: Random
    confirm: float = 0.3
    in_order: bool = False
    initial: int = 2
    bins: int = MEASURES[0].bins
    working: list[tuple[Step, Evaluation | None, int]] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)

    def states(self, steps: int) -> Iterator[State]:
        """Give the state after each tell."""
        measures = (MEASURES[0].model_copy(update={"bins": self.bins}),)
        state = State(Grid(measures, depth=2), Rules(self.confirm))
        for n in range(self.initial):
            state = tell(state, *self._made(n, state, Kind.INITIAL, ())).state
            yield state
        n = self.initial
        while n < steps or self.working:
            full = n >= steps or len(self.working) == MOST_WORKING
            if self.working and (full or self.chance.random() < 0.5):
                index = 0 if self.in_order else self.chance.randrange(len(self.working))
                state = tell(state, *self.working.pop(index)).state
                yield state
            else:
                self.working.append(self._next(n, state))
                n += 1

    def _next(self, n: int, state: State) -> tuple[Step, Evaluation | None, int]:
        under_way = tuple(step for step, _, _ in self.working)
        asked = challenge(state, under_way)
        self.asked.append(Asked(state, under_way, asked))
        if asked is not None:
            return self._compared(n, state, asked), None, 0
        parents = [elite.step for elite in (*state.grid.elites(), *state.initial)]
        return self._made(n, state, Kind.SEARCH, (self.chance.choice(parents),))

    def _made(
        self, n: int, state: State, kind: Kind, parents: Sequence[int]
    ) -> tuple[Step, Evaluation | None, int]:
        twin = self.chance.choice(state.history.entries) if state.told else None
        is_twin = twin is not None and kind is Kind.SEARCH and self.chance.random() < TWINS
        is_twin = is_twin and twin.evaluation is not None
        failed = kind is Kind.SEARCH and not is_twin and self.chance.random() < FAILURES
        if is_twin:
            assert twin is not None
            evaluation = twin.evaluation
        elif failed:
            evaluation = Evaluation("t", "w", "train", 0, f"p{n}", Status.CRASHED, reason="drawn")
        else:
            scores = self._scores()
            evaluation = Evaluation(
                "t", "w", "train", 0, f"p{n}", Status.OK, f"d{n}",
                fitness=sum(scores.values()) / INSTANCES, n=INSTANCES, se=0.1, scores=scores,
                measures={"kind": self.chance.random()},
            )  # fmt: skip
        assert evaluation is not None
        step = Step(
            n, state.told, kind, "drawn", None, tuple(parents), f"x{n}", f"p{n}",
            outputs_digest=evaluation.outputs_digest,
        )  # fmt: skip
        return step, evaluation, self.chance.randrange(5, 50)

    def _compared(self, n: int, state: State, asked: Challenge) -> Step:
        failed = [self.chance.random() < FAILED_FRESH for _ in asked.programs]
        found = comparison([None if each else self._scores() for each in failed], {})
        ran = {"status": "ok", "compared": found.plain()}
        return Step(
            n, state.told, Kind.CONFIRM, "confirm", parents=asked.programs, block=asked.block,
            ran=ran,
        )  # fmt: skip

    def _scores(self) -> dict[str, float]:
        worth = self.chance.gauss(0.0, 1.0)
        return {str(i): worth + self.chance.gauss(0.0, 1.0) for i in range(INSTANCES)}
