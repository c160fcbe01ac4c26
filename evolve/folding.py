"""Takes told rows into a state: a fold that reads and decides nothing twice.

A run that goes on and one that is resumed come to the same state by it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from archive.records import Evaluation, Kind, Status, Step
from evolve.belief import Belief, Calibration, Comparison, compared, comparison_of, gain_noise
from evolve.credit import Credit
from evolve.grid import Cell, Elite, Placement
from evolve.history import Told
from evolve.hurdle import HURDLE, is_stopped
from evolve.state import NUM_BEST, State

# While gains hold, so much of the bound on confirm steps is still spent, to see if they go on to.
LEAST_CONFIRMED = 0.5


def fold(
    state: State,
    step: Step,
    evaluation: Evaluation | None,
    nodes: int,
    whole: bool = True,
    after: State | None = None,
) -> State:
    """Take a told row into the state. Reads the row and decides nothing.

    whole: False where the row was read without its texts, see `queries.told_facts`. after: of a
    confirm step what `confirmed` gave, if it was asked already.
    """
    new_digest = step.outputs_digest is not None and not state.knows_digest(step.outputs_digest)
    # What has no digest is one of its own.
    unrepeatable = step.status is Status.OK and (step.ran or {}).get("determinism") == "none"
    stopped = is_stopped(step) and step.status is Status.OK
    told, entries = Told(step, evaluation, nodes), state.history.entries
    if len(entries) == state.told:
        state.history.append(told, whole)
    elif entries[state.told :] != [told]:
        raise ValueError(f"step {step.n} is told after {state.told}, not after the last tell")
    if step.kind is Kind.CONFIRM:
        return replace(
            after or confirmed(state, step), confirms=state.confirms + 1, told=state.told + 1
        )
    known: dict[str, Any] = {
        "told": state.told + 1,
        "evaluations": state.evaluations + int(new_digest or unrepeatable or stopped),
        "credit": _credited(state.credit, step),
        "earned": state.earned + _earned(state, step),
        "hurdle": state.hurdle.told((step.ran or {}).get(HURDLE), step.placement),
    }
    if step.cell is None or evaluation is None:
        return replace(state, **known)
    if step.status is Status.DUPLICATE:
        return _shortened(replace(state, **known), step, nodes)
    belief = _born(state, step, evaluation) if state.rules.confirm else None
    elite = _elite(state, step, evaluation, nodes, belief)
    if belief is not None:
        state.history.believe(step.n, state.told, belief)
        if belief.chosen and belief.gain > 0.0:  # only of such can the gain be luck
            known["calibration"] = state.calibration.with_child(belief.noise)
    return _offered(state, known, step, evaluation, elite)


def _offered(
    state: State, known: Mapping[str, Any], step: Step, evaluation: Evaluation, elite: Elite
) -> State:
    """Take a program that the grid was offered into the state, with all else that is known of it."""
    assert step.cell is not None
    _, clipped = state.grid.locate(evaluation.measures)
    grid, placement = state.grid.place(step.cell, elite)
    if placement is not Placement.NOT_ADDED:
        state.history.settle(step.n, step.cell)
    return replace(
        state,
        **known,
        grid=grid,
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


def _earned(state: State, step: Step) -> float:
    """Give the confirm steps that a told search step earns: more, the less gains were found to hold."""
    if step.kind is not Kind.SEARCH:
        return 0.0
    return state.rules.confirm * max(LEAST_CONFIRMED, min(1.0, 2.0 * state.calibration.doubt))


def elite_of_step(state: State, step: Step, evaluation: Evaluation, nodes: int) -> Elite:
    """Make a program an elite, of which is believed what the state says of such gains."""
    belief = _born(state, step, evaluation) if state.rules.confirm else None
    return _elite(state, step, evaluation, nodes, belief)


def _elite(
    state: State, step: Step, evaluation: Evaluation, nodes: int, belief: Belief | None
) -> Elite:
    assert step.program is not None
    assert evaluation.fitness is not None
    measured = step.n, step.program, evaluation.fitness, nodes, evaluation.n, evaluation.se
    if belief is None:
        return Elite(*measured)
    mean, variance = state.calibration.posterior(belief)
    return Elite(*measured, mean, math.sqrt(variance), most=belief.most)


def _born(state: State, step: Step, evaluation: Evaluation) -> Belief:
    """Say what a program's worth will be believed from."""
    assert evaluation.fitness is not None
    if step.kind is Kind.INITIAL or state.anchor is None:
        se = evaluation.se or 0.0
        return Belief(evaluation.fitness, noise=se * se, chosen=False)
    # What migrated has no parent here, and was chosen elsewhere for its score as a child is.
    parent = step.parents[0] if step.parents else None
    if parent is None or state.fitness(parent) is None:  # one that failed: mended, it starts anew
        parent = state.anchor
    fitness = state.fitness(parent)
    assert fitness is not None
    believed = state.believed(parent) or (fitness, 0.0)
    noise = gain_noise(evaluation.scores, state.scores(parent), state.rules.units)
    return Belief(believed[0], evaluation.fitness - fitness, noise, believed[1])


def confirmed(state: State, step: Step) -> State:
    """Take in what a fresh block has shown; every elite is valued anew by it."""
    calibration, beliefs = _after(state, step)
    for n, belief in beliefs.items():
        for each in (n, *state.stand_ins(n)):  # who equals it is worth as much
            state.history.believe(each, state.told, belief)
    value = replace(state, calibration=calibration, told=state.told + 1).valuation
    means = zip(step.parents, _comparison(step).means, strict=True)
    failed = {n for n, mean in means if mean is None and n != state.anchor}
    failed |= {shorter for n in failed for shorter in state.stand_ins(n)}

    def settled(elite: Elite) -> Elite | None:
        return None if elite.step in failed else value(elite)

    grid = state.grid.revalued(settled, now=cells_of(state, beliefs))
    best = _best(filter(None, map(settled, state.best)))
    # Who is not among them must be worth as much as the last one: only who may be is looked at.
    least = best[-1].mean if len(best) == NUM_BEST else -math.inf
    highest = {elite.step: elite for elite in (*best, *grid.cells.reaching(least, value.most))}
    return replace(state, calibration=calibration, grid=grid, best=_best(highest.values()))


def cells_of(state: State, programs: Iterable[int]) -> set[Cell]:
    """Give the cells that hold, or once held, some programs or who stands for them."""
    cells = state.history.cell_of_step
    each = (m for n in programs for m in (n, *state.stand_ins(n)))
    return {cells[n] for n in each if n in cells}


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


def _shortened(state: State, step: Step, nodes: int) -> State:
    """Let a duplicate that is shorter stand for the elite that it equals."""
    before = replace(state, told=state.told - 1)
    found = longer_twin(before, step, nodes)
    assert found is not None
    assert step.program is not None
    cell, longer = found
    shorter = replace(longer, step=step.n, program=step.program, nodes=nodes)
    state.history.stand_in(longer.step, before.told, step.n)
    belief = before.belief(longer.step)
    if belief is not None:
        state.history.believe(step.n, before.told, belief)
    state.history.settle(step.n, cell)
    # It may be better than the fifth, where its longer twin was as good and no better.
    best = _best((*(elite for elite in state.best if elite.step != longer.step), shorter))
    return replace(state, grid=state.grid.swapped(cell, longer, shorter), best=best)


def longer_twin(state: State, step: Step, nodes: int) -> tuple[Cell, Elite] | None:
    """Find an elite with the same outputs and more syntax nodes, which a duplicate may replace."""
    twin = state.digest(step.outputs_digest) or origin_of(state, step)
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
    origin = origin_of(state, told.step)
    return origin.step.outputs_digest if origin else None


def origin_of(state: State, step: Step) -> Told | None:
    """Give the step whose quality this one trusts to be its own."""
    n = (step.ran or {}).get("trusts")
    return None if n is None else state.step(n)


def _best(elites: Iterable[Elite]) -> tuple[Elite, ...]:
    return tuple(sorted(elites, key=Elite.key)[:NUM_BEST])
