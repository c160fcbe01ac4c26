"""Which elites become parents, and which operator and model work on them: pure, `(state, rng) in`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from evolve.credit import Arm, Terms, chances
from evolve.grid import Elite
from evolve.history import FAILED, Told
from evolve.operators.base import Operator
from evolve.state import NUM_BEST, State
from evolve.statistics import Grouping

# In 1,119 measured children of a prototype on data selection, the chance of a new best fell from
# 8.9 % (first) over 2.6 % (second, third) and .5 % (fourth to sixth) to none below. Hence the five
# best by rank for most steps, and all cells alike for the rest.
RANK_SHARE = 0.7
# Relative weights of the ranks, from those measured chances, flattened so that none starves.
RANK_WEIGHTS = np.array([0.4, 0.22, 0.18, 0.1, 0.1])
# ShinkaEvolve's sigmoid steepness, and the least weight so that ties and outliers starve nobody.
SIGMOID_SLOPE = 10.0
WEIGHT_FLOOR = 0.05
# A diff pays on parents of this part of the elites, by fitness.
STRONG_SHARE = 1 / 3
MOST_STRONG = 100
# Partners of a crossover: so many that lack least together with the first, all alike.
NUM_PARTNERS = 3
# Programs that failed are worth mending while they are among so many last told, and so often.
RECENT_FAILURES = 60
MAX_REPAIRS = 2

# Children in flight, {parent's step: how many}: asked for and not told yet.
Company = Mapping[int, int]
NOBODY: Company = MappingProxyType({})

ChooseParent = Callable[[State, np.random.Generator, Company], Elite]

assert len(RANK_WEIGHTS) == NUM_BEST


@dataclass(frozen=True, slots=True)
class Choice:
    """What ask decided. parents: by step number, the one to change first."""

    operator: str
    parents: tuple[int, ...]
    model: str | None = None


@dataclass(frozen=True, slots=True)
class Means:
    """What a search may choose among, the same for a whole run.

    operators: by name. models: names; those who ask one have an arm for each. policy: a name of
    POLICIES, for the first parent. bandit: whether credit moves the declared shares.
    """

    operators: Mapping[str, Operator]
    models: Sequence[str] = ()
    policy: str = "rank"
    bandit: bool = False


def ask(
    state: State,
    means: Means,
    rng: np.random.Generator,
    grouping: Grouping | None = None,
    company: Company = NOBODY,
) -> Choice | None:
    """Choose the parents of a step, the operator and the model; None if nothing could be a parent.

    Operators that have nothing to do on the first parent, or need more parents than there are, sit
    out; of the others one is drawn by its share. Donors are uniform over all that may be one.
    grouping: of the instances, by which parents complement each other.
    """
    if not num_donors(state, means.policy):
        return None
    first = POLICIES[means.policy](state, rng, company)
    arms = _arms(state, first, means, company)
    if not arms:  # none can work on this one: the strong suit all that wait for a better parent
        strong = _strong(state)
        first = strong[int(rng.integers(len(strong)))]
        arms = _arms(state, first, means, company)
    if not arms:
        return None
    shares = np.array([terms.share for terms in arms.values()])
    weights = chances(state.credit, arms, rng) if means.bandit else shares
    name, model = list(arms)[_draw(weights, rng)]
    operator = means.operators[name]
    if operator.pairing == "failed":
        failed = _failed(state, company)
        return Choice(name, (failed[int(rng.integers(len(failed)))].step.n,), model)
    if operator.pairing == "complementary":
        return Choice(name, (first.step, _partner(state, first, grouping, rng)), model)
    chosen = [first.step]
    if operator.num_parents == 1:
        return Choice(name, tuple(chosen), model)
    others = donors(state, means.policy)
    rest = [elite.step for elite in others if elite.step != first.step]
    while len(chosen) < operator.num_parents:
        chosen.append(rest.pop(int(rng.integers(len(rest)))))
    return Choice(name, tuple(chosen), model)


def terms_of(means: Means, names: Sequence[str]) -> dict[Arm, Terms]:
    """Give the arms of some operators, in the order of names, then of models."""
    arms: dict[Arm, Terms] = {}
    for name in names:
        operator = means.operators[name]
        models = means.models if operator.uses_model else (None,)
        for model in models:
            arms[name, model] = Terms(operator.share / len(models), operator.cost)
    return arms


def _arms(state: State, first: Elite, means: Means, company: Company) -> dict[Arm, Terms]:
    """Give the arms that can work on a parent."""
    told = state.step(first.step)
    source = told.step.source if told and told.step.source else ""
    able = [
        name
        for name, operator in sorted(means.operators.items())
        if _can(operator, state, first, means.policy, company)
    ]
    suited = [name for name in able if means.operators[name].suits(source)]
    return terms_of(means, suited or able)


def _can(operator: Operator, state: State, first: Elite, policy: str, company: Company) -> bool:
    """Tell whether there are the parents that an operator asks for."""
    if operator.pairing == "failed":
        return bool(_failed(state, company))
    if operator.pairing == "any":
        return operator.num_parents <= num_donors(state, policy)
    strong = _strong(state)
    return first in strong and len(strong) >= operator.num_parents


def _strong(state: State) -> Sequence[Elite]:
    """Give the best third of all elites, two at least and MOST_STRONG at most, the best first."""
    number = max(round(STRONG_SHARE * len(state.ranked)), 2)
    return state.ranked[: min(number, MOST_STRONG)]


def _failed(state: State, company: Company) -> list[Told]:
    """Give the latest programs that failed and were not yet tried to mend too often."""
    return [
        told
        for told in state.latest(RECENT_FAILURES)
        if told.step.status in FAILED
        and told.step.source is not None
        and state.num_children(told.step.n) + company.get(told.step.n, 0) < MAX_REPAIRS
    ]


def _partner(
    state: State, first: Elite, grouping: Grouping | None, rng: np.random.Generator
) -> int:
    """Give a strong elite that is good where the first parent is not (M2N2, Abrantes et al. 2025)."""
    own = _strengths(state, first.step, grouping)
    others = [elite.step for elite in _strong(state) if elite.step != first.step]
    together = {n: _best_of_both(own, _strengths(state, n, grouping)) for n in others}
    best = sorted(others, key=lambda n: (-together[n], n))[:NUM_PARTNERS]
    return best[int(rng.integers(len(best)))]


def _strengths(state: State, n: int, grouping: Grouping | None) -> dict[str, float]:
    """Give a program's mean score in every subgroup; of each instance where there are none."""
    told = state.step(n)
    scores = told.evaluation.scores if told and told.evaluation else {}
    labels = grouping.subgroups if grouping else {}
    groups: dict[str, list[float]] = {}
    for name, score in scores.items():
        for label in labels.get(name, ()) or (name,):
            groups.setdefault(label, []).append(score)
    return {label: float(np.mean(values)) for label, values in groups.items()}


def _best_of_both(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    """Give the mean, over what both were scored on, of the higher score."""
    return float(np.mean([max(one[label], other[label]) for label in one if label in other] or [0]))


def donors(state: State, policy: str) -> Sequence[Elite]:
    """Give all that may be a parent under a policy."""
    return state.initial if policy == "initial" else state.grid.held


def num_donors(state: State, policy: str) -> int:
    """Count them, without valuing any."""
    return len(state.initial) if policy == "initial" else state.grid.num_held


def by_rank(state: State, rng: np.random.Generator, company: Company = NOBODY) -> Elite:
    """Give one of the five best of the run (70 %), or an elite uniform over cells."""
    if rng.random() < RANK_SHARE:
        best = state.best
        return best[_draw(RANK_WEIGHTS[: len(best)], rng)]
    return uniform(state, rng)


def uniform(state: State, rng: np.random.Generator, company: Company = NOBODY) -> Elite:
    """Give an elite uniform over cells, then over the cell's elites (MAP-Elites)."""
    cells = state.grid.order
    held = state.grid.cells[cells[int(rng.integers(len(cells)))]]
    return held[int(rng.integers(len(held)))]


def weighted(state: State, rng: np.random.Generator, company: Company = NOBODY) -> Elite:
    """Give an elite by ShinkaEvolve's weights (Lange et al. 2025, arXiv 2509.19349):
    sigmoid((fitness - median) / MAD) / (1 + distinct children), with a floor.

    Children in flight count: else whoever is asked meanwhile would get the same parent."""
    elites = state.grid.held
    fitness = np.array([elite.fitness for elite in elites])
    children = np.array([state.num_children(e.step) + company.get(e.step, 0) for e in elites])
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


def initial(state: State, rng: np.random.Generator, company: Company = NOBODY) -> Elite:
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
