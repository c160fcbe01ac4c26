"""Which elites become parents, and which operator works on them: pure, `(state, rng) in, choice out`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from evolve.grid import Elite
from evolve.operators.base import Operator
from evolve.state import NUM_BEST, State

# In 1,119 measured children of a prototype on data selection, the chance of a new best fell from
# 8.9 % (first) over 2.6 % (second, third) and .5 % (fourth to sixth) to none below. Hence the five
# best by rank for most steps, and all cells alike for the rest.
RANK_SHARE = 0.7
# Relative weights of the ranks, from those measured chances, flattened so that none starves.
RANK_WEIGHTS = np.array([0.4, 0.22, 0.18, 0.1, 0.1])
# ShinkaEvolve's sigmoid steepness, and the least weight so that ties and outliers starve nobody.
SIGMOID_SLOPE = 10.0
WEIGHT_FLOOR = 0.05

ChooseParent = Callable[[State, np.random.Generator], Elite]

assert len(RANK_WEIGHTS) == NUM_BEST


@dataclass(frozen=True, slots=True)
class Choice:
    """What ask decided: the operator and its parents, by step number, the one to change first."""

    operator: str
    parents: tuple[int, ...]


def ask(
    state: State, policy: str, operators: Mapping[str, Operator], rng: np.random.Generator
) -> Choice | None:
    """Choose the parents of a step and the operator; None when no program could be a parent.

    policy: a name of POLICIES, for the first parent. Operators that have nothing to do on it, or
    that need more parents than there are, sit out; of the others one is drawn by its share.
    Further parents (donors) are uniform over all that may be one.
    """
    others = donors(state, policy)
    if not others:
        return None
    first = POLICIES[policy](state, rng)
    shares = _shares(state, first, operators, len(others))
    if not shares:
        return None
    operator = list(shares)[_draw(np.array(list(shares.values())), rng)]
    chosen = [first.step]
    rest = [elite.step for elite in others if elite.step != first.step]
    while len(chosen) < operators[operator].num_parents:
        chosen.append(rest.pop(int(rng.integers(len(rest)))))
    return Choice(operator, tuple(chosen))


def _shares(
    state: State, first: Elite, operators: Mapping[str, Operator], num_parents: int
) -> dict[str, float]:
    """Give the shares of the operators that can work on a parent, in the order of names."""
    told = state.step(first.step)
    source = told.step.source if told and told.step.source else ""
    able = {name: op for name, op in sorted(operators.items()) if op.num_parents <= num_parents}
    suited = {name: op.share for name, op in able.items() if op.suits(source)}
    return suited or {name: op.share for name, op in able.items()}


def donors(state: State, policy: str) -> list[Elite]:
    """Give all that may be a parent under a policy."""
    return list(state.initial if policy == "initial" else state.grid.elites())


def by_rank(state: State, rng: np.random.Generator) -> Elite:
    """Give one of the five best of the run (70 %), or an elite uniform over cells."""
    if rng.random() < RANK_SHARE:
        best = state.best
        return best[_draw(RANK_WEIGHTS[: len(best)], rng)]
    return uniform(state, rng)


def uniform(state: State, rng: np.random.Generator) -> Elite:
    """Give an elite uniform over cells, then over the cell's elites (MAP-Elites)."""
    cells = sorted(state.grid.cells)
    held = state.grid.cells[cells[int(rng.integers(len(cells)))]]
    return held[int(rng.integers(len(held)))]


def weighted(state: State, rng: np.random.Generator) -> Elite:
    """Give an elite by ShinkaEvolve's weights (Lange et al. 2025, arXiv 2509.19349):
    sigmoid((fitness - median) / MAD) / (1 + distinct children), with a floor."""
    elites = list(state.grid.elites())
    fitness = np.array([elite.fitness for elite in elites])
    children = np.array([state.num_children(elite.step) for elite in elites])
    return elites[_draw(parent_weights(fitness, children), rng)]


def parent_weights(fitness: np.ndarray, children: np.ndarray) -> np.ndarray:
    """Compute weights, (n,) positive, sum 1; finite whatever the ties and outliers."""
    deviation = fitness - np.median(fitness)
    spread = float(np.median(np.abs(deviation)))
    if spread == 0.0:
        # More than half of the elites tie: the mean deviation still tells the others apart.
        spread = float(np.mean(np.abs(deviation))) or 1.0
    exponent = np.clip(SIGMOID_SLOPE * deviation / spread, -50.0, 50.0)
    merit = WEIGHT_FLOOR + (1.0 - WEIGHT_FLOOR) / (1.0 + np.exp(-exponent))
    weights = merit / (1.0 + children)
    return np.asarray(weights / weights.sum())


def initial(state: State, rng: np.random.Generator) -> Elite:
    """Give one of the initial programs, uniformly: what random search does."""
    return state.initial[int(rng.integers(len(state.initial)))]


POLICIES: dict[str, ChooseParent] = {
    "rank": by_rank,
    "uniform": uniform,
    "weighted": weighted,
    "initial": initial,
}


def _draw(weights: np.ndarray, rng: np.random.Generator) -> int:
    return int(rng.choice(len(weights), p=weights / weights.sum()))
