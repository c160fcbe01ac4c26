"""A search whose truth is known: the real decisions of tell and confirm, on simulated evaluations.

The true values of programs, the noise of their scores and the difficulty of blocks are drawn; what
is believed, asked and kept is decided by `evolve.state` and `evolve.confirming` as in any run. How
parents are chosen is no part of it.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

import numpy as np

from archive.records import Evaluation, Kind, Status, Step
from evolve.belief import comparison
from evolve.confirming import Challenge, challenge
from evolve.grid import Grid
from evolve.spec import Measure
from evolve.state import Rules, State
from evolve.telling import tell

INSTANCES = 8
# Blocks, and the instances of a block, are easier or harder for all programs alike by this much.
DIFFICULTY = 0.5
# A handful of cells. Which one a program belongs to is drawn, and says nothing of its worth.
CELLS = 8
MEASURES = (Measure(name="kind", range=(0.0, 1.0), bins=CELLS),)
# Steps asked and not told at any time, as with so many workers.
LOOKAHEAD = 4
# In a lineage a child is worse than its parent by so much, give or take.
DECLINE, VARIATION = -0.3, 0.5


@dataclass(frozen=True)
class Outcome:
    """What a search ends with, in standard deviations of true values.

    true: the true value of the best confirmed elite; reported: what is believed of it; error: the
    standard error told with it. luck: of the initial program on the train block, which sets the
    scale of beliefs: it moves all of them alike, and ranks nothing. naive_true, naive_reported: of
    the best single score. The difficulty of the train block is left out of everything. confirms:
    steps that compared programs.
    """

    true: float
    reported: float
    error: float
    luck: float
    naive_true: float
    naive_reported: float
    confirms: int
    train_level: float = field(repr=False)
    state: State = field(repr=False)

    @property
    def bias(self) -> float:
        """How much too high the report is, on the scale of beliefs."""
        return self.reported - self.luck - self.true

    @property
    def fresh_bias(self) -> float:
        """How much too high it is once moved by what the initial program gave on fresh blocks."""
        calibration = self.state.calibration
        moved = self.train_level + calibration.level / max(calibration.blocks, 1)
        return self.reported + moved - self.true

    @property
    def naive_bias(self) -> float:
        return self.naive_reported - self.naive_true


class World:
    """Programs with known values and noisy scores, by the step that made them.

    noise: the standard deviation of one evaluation's mean score, where the spread of true values is 1.
    """

    def __init__(self, noise: float, rng_seed: int) -> None:
        streams = np.random.SeedSequence(rng_seed).spawn(3)
        self.values, self._scores, self._cells = map(np.random.default_rng, streams)
        self._noise = noise
        self.true: dict[int, float] = {}
        self.measured: dict[int, float] = {}
        self.train = self.block()

    def block(self) -> np.ndarray:
        """Draw how easy each instance of a block is, (INSTANCES,)."""
        easy = self._scores.standard_normal(INSTANCES + 1) * DIFFICULTY
        return easy[0] + easy[1:]

    def scores(self, n: int, block: np.ndarray) -> dict[str, float]:
        """Evaluate a program once on each instance of a block."""
        luck = self._scores.standard_normal(INSTANCES) * self._noise * math.sqrt(INSTANCES)
        return {str(i): float(score) for i, score in enumerate(self.true[n] + block + luck)}

    def born(self, n: int, true: float) -> Evaluation:
        """Make a program and evaluate it on the train block."""
        self.true[n] = true
        scores = self.scores(n, self.train)
        values = np.array(list(scores.values()))
        fitness, se = float(values.mean()), float(values.std(ddof=1)) / math.sqrt(INSTANCES)
        self.measured[n] = fitness - float(self.train.mean())
        measures = {"kind": float(self._cells.random())}
        return Evaluation(
            "task", "world", "train", 0, f"p{n}", Status.OK, f"d{n}",
            fitness=fitness, n=INSTANCES, se=se, scores=scores, measures=measures,
        )  # fmt: skip


def searched(
    noise: float,
    rng_seed: int,
    *,
    evaluations: int = 1000,
    confirm: float = 0.1,
    lineage: bool = False,
) -> Outcome:
    """Search until so many evaluations are paid for; a program on a fresh block is one more.

    lineage: children are like one of the five best; else all are drawn alike.
    """
    world = World(noise, rng_seed)
    state = State(Grid(MEASURES), Rules(confirm))
    state = tell(state, _program(0, 0, Kind.INITIAL), world.born(0, 0.0), 1).state
    working: deque[tuple[Step, Evaluation | None]] = deque()
    paid, n = 1, 1
    while working or paid < evaluations:
        if len(working) == LOOKAHEAD or paid >= evaluations:
            state = tell(state, *working.popleft(), 1).state
            continue
        asked = challenge(state, [step for step, _ in working])
        if asked is None:
            parent = _parent(state, world) if lineage else 0
            working.append(_child(world, state, n, parent, lineage))
            paid += 1
        else:
            working.append((_compared(world, state, n, asked), None))
            paid += len(asked.programs)
        n += 1
    return _outcome(world, state)


def fixed(noise: float, rng_seed: int, k: int, *, evaluations: int = 1000) -> tuple[float, float]:
    """Evaluate every program k times and take the best mean; give its true and reported value.

    The programs are those that `searched` would draw, fewer for more evaluations each.
    """
    world = World(noise, rng_seed)
    true = np.array([0.0, *world.values.standard_normal(evaluations // k - 1)])
    luck = np.random.default_rng([rng_seed, k]).standard_normal(len(true)) * noise / math.sqrt(k)
    best = int(np.argmax(true + luck))
    return float(true[best]), float((true + luck)[best])


def _parent(state: State, world: World) -> int:
    return state.best[int(world.values.integers(len(state.best)))].step


def _child(
    world: World, state: State, n: int, parent: int, lineage: bool
) -> tuple[Step, Evaluation]:
    drawn = float(world.values.standard_normal())
    true = world.true[parent] + DECLINE + VARIATION * drawn if lineage else drawn
    return _program(n, state.told, Kind.SEARCH, (parent,)), world.born(n, true)


def _compared(world: World, state: State, n: int, asked: Challenge) -> Step:
    block = world.block()
    found = comparison([world.scores(program, block) for program in asked.programs], {})
    ran = {"status": "ok", "compared": found.plain()}
    return Step(
        n, state.told, Kind.CONFIRM, "confirm", parents=asked.programs, block=asked.block, ran=ran
    )


def _program(n: int, told: int, kind: Kind, parents: tuple[int, ...] = ()) -> Step:
    return Step(n, told, kind, "drawn", None, parents, f"x{n}", f"p{n}", outputs_digest=f"d{n}")


def _outcome(world: World, state: State) -> Outcome:
    level = float(world.train.mean())
    luck = world.measured[0] - world.true[0]
    best = state.best_confirmed or state.ranked[0]
    naive = max(world.measured, key=lambda n: world.measured[n])
    return Outcome(
        true=world.true[best.step],
        reported=best.mean - level,
        error=best.error or 0.0,
        luck=luck,
        naive_true=world.true[naive],
        naive_reported=world.measured[naive],
        confirms=state.confirms,
        train_level=level,
        state=state,
    )
