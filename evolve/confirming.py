"""Which elites a confirm step compares on the next fresh block: pure, from a state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from archive.records import Kind, Step
from evolve.grid import Elite
from evolve.state import State

# Most confirm steps go to what may be the best of the run; every third to a cell elsewhere, whose
# challenger has waited longest.
CELL_EVERY = 3


class Challenge(NamedTuple):
    """What a confirm step is asked to compare, the challenger first, and on which block of `valid`.

    Blocks are numbered from 1 in the order of asking, so no two confirm steps of a run share one.
    """

    programs: tuple[int, ...]
    block: int


def challenge(state: State, under_way: Sequence[Step]) -> Challenge | None:
    """Give what to confirm next; None while no confirm step is earned, or nothing is in doubt.

    under_way: steps that were asked and not told. The challenger meets the incumbent of its cell,
    the best of the run and the best initial program, by which all is measured.
    """
    confirming = [step for step in under_way if step.kind is Kind.CONFIRM]
    asked = state.confirms + len(confirming)
    if asked + 1 > state.earned or state.anchor is None or not state.ranked:
        return None
    busy = {step.parents[0] for step in confirming} | {state.anchor}
    busy |= {shorter for n in busy for shorter in state.stand_ins(n)}
    free = [elite for elite in state.ranked if elite.step not in busy]
    leader = state.best_confirmed or state.ranked[0]
    challenger = _longest_waiting(state, free) if asked % CELL_EVERY == CELL_EVERY - 1 else None
    challenger = challenger or _most_promising(free, leader)
    if challenger is None:
        return None
    incumbent = _incumbent(state, challenger)
    others = (*([incumbent.step] if incumbent else []), leader.step, state.anchor)
    programs = tuple(dict.fromkeys((challenger.step, *others)))
    return Challenge(programs, asked + 1) if len(programs) > 1 else None


def _most_promising(free: Sequence[Elite], leader: Elite) -> Elite | None:
    """Give the elite that could most be the best: first of those that nobody has confirmed.

    By the upper end of what is believed of it, one standard error above the mean (LUCB,
    Kalyanakrishnan et al. 2012).
    """
    others = [elite for elite in free if elite.step != leader.step]
    unseen = [e for e in others if not e.confirmed and _upper(e) > leader.mean]
    return max(unseen or others, key=lambda e: (_upper(e), -e.nodes, -e.step), default=None)


def _longest_waiting(state: State, free: Sequence[Elite]) -> Elite | None:
    """Give the oldest challenger that a cell shows and nobody has confirmed.

    Initial programs are none: nobody chose them for their scores, so no luck is in them.
    """
    shown = {elite.step for _, elite in state.grid.shown()}
    waiting = [
        elite
        for elite in free
        if elite.step in shown
        and not elite.confirmed
        and (belief := state.belief(elite.step)) is not None
        and belief.chosen
    ]
    return min(waiting, key=lambda elite: elite.step, default=None)


def _incumbent(state: State, challenger: Elite) -> Elite | None:
    """Give the best other elite of the challenger's cell, one that was confirmed if there is any."""
    held = next((held for held in state.grid.cells.values() if challenger in held), ())
    others = [elite for elite in held if elite.step != challenger.step]
    return min(others, key=lambda elite: (not elite.confirmed, *elite.key()), default=None)


def _upper(elite: Elite) -> float:
    return elite.mean + (elite.error or 0.0)
