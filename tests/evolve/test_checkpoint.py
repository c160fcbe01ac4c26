"""A run that goes on from a checkpoint knows what one knows that folds all its rows."""

import json
from random import Random

from drawn_run import MEASURES, DrawnRun
from hypothesis import given
from hypothesis import strategies as st
from known_state import known

from evolve import checkpoint
from evolve.folding import fold
from evolve.grid import Grid
from evolve.history import History, Part
from evolve.state import Rules, State

STEPS = 60


def empty(entries, confirm):
    state = State(Grid(MEASURES, depth=2), Rules(confirm), History(lambda seq: entries[seq]))
    state.history.begin_part()
    return state


def through_a_row(state, entries):
    """Give the state as somebody reads it who opens the archive."""
    plain = json.loads(json.dumps([state.history.part, checkpoint._plain(state)]))
    begun = empty(entries, state.rules.confirm)
    begun.history.take(Part(*plain[0]))
    return checkpoint._state(plain[1], begun)


@given(st.integers(0, 10**6), st.integers(1, STEPS), st.sampled_from([0.0, 0.3]), st.booleans())
def test_a_state_read_again_goes_on_as_the_one_that_was_written(seed, first, confirm, in_order):
    drawn = DrawnRun(Random(seed), confirm=confirm, in_order=in_order)
    *_, last = drawn.states(STEPS)
    entries = last.history.entries
    state = empty(entries, confirm)
    for told in entries[:first]:
        state = fold(state, told.step, told.evaluation, told.nodes, whole=False)
    again = through_a_row(state, entries)
    assert known(again) == known(state)
    for told in entries[first:]:
        state, again = (
            fold(each, told.step, told.evaluation, told.nodes, whole=False)
            for each in (state, again)
        )
    assert known(again) == known(state)
    assert again.best == state.best == last.best
    assert again.ranked == last.ranked


def test_what_a_checkpoint_holds_is_plain_and_small():
    state = last_state(Random(1))
    body = checkpoint._packed([state.history.part, checkpoint._plain(state)])
    assert len(body) / state.told < 300
    assert checkpoint._unpacked(body)[1]["told"] == state.told


def last_state(chance):
    drawn = DrawnRun(chance)
    *_, last = drawn.states(200)
    state = empty(last.history.entries, drawn.confirm)
    for told in last.history.entries:
        state = fold(state, told.step, told.evaluation, told.nodes, whole=False)
    return state
