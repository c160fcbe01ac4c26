"""What a confirm step compares: earned before it is asked, never twice on one block."""

from random import Random

from drawn_run import MEASURES, DrawnRun
from hypothesis import given, settings
from hypothesis import strategies as st

from archive.records import Kind
from evolve.confirming import CELL_EVERY, challenge
from evolve.grid import Grid
from evolve.state import Rules, State

runs = st.builds(
    DrawnRun,
    chance=st.integers(0, 2**32).map(Random),
    confirm=st.sampled_from([0.1, 0.3, 0.5]),
    in_order=st.booleans(),
)


def challenges(run, steps=70):
    for _ in run.states(steps):
        pass
    return [each for each in run.asked if each.asked is not None]


@given(runs)
@settings(max_examples=15, deadline=None)
def test_nothing_is_asked_before_it_is_earned_and_never_more_than_the_bound(run):
    challenges(run)
    asked = 0
    for each in run.asked:
        told = [entry.step for entry in each.state.history.entries[: each.state.told]]
        searched = sum(step.kind is Kind.SEARCH for step in told)
        assert each.state.earned <= run.confirm * searched + 1e-9
        if each.asked is not None:
            asked += 1
            assert asked <= each.state.earned


@given(runs)
@settings(max_examples=15, deadline=None)
def test_blocks_are_numbered_without_gap_or_repetition_in_any_order_of_tells(run):
    blocks = [each.asked.block for each in challenges(run)]
    assert blocks == list(range(1, len(blocks) + 1))


@given(runs)
@settings(max_examples=15, deadline=None)
def test_a_challenge_has_at_most_four_different_elites_and_what_all_is_measured_by(run):
    for each in challenges(run):
        programs, state = each.asked.programs, each.state
        assert 2 <= len(programs) == len(set(programs)) <= 4
        elites = {elite.step for elite in state.grid.elites()}
        assert set(programs) <= elites | {state.anchor}
        assert state.anchor in programs[1:]
        leader = state.best_confirmed or state.ranked[0]
        assert leader.step in programs


@given(runs)
@settings(max_examples=15, deadline=None)
def test_the_challenger_is_neither_under_way_nor_the_anchor(run):
    for each in challenges(run):
        confirming = [step.parents[0] for step in each.under_way if step.kind is Kind.CONFIRM]
        assert each.asked.programs[0] not in (*confirming, each.state.anchor)


@given(runs)
@settings(max_examples=15, deadline=None)
def test_the_incumbent_of_the_challengers_cell_is_compared_too(run):
    for each in challenges(run):
        programs, state = each.asked.programs, each.state
        held = next(held for held in state.grid.cells.values() if programs[0] in steps_of(held))
        others = [elite for elite in held if elite.step != programs[0]]
        confirmed = [elite for elite in others if elite.confirmed]
        if others:
            assert (confirmed or others)[0].step in programs


@given(runs)
@settings(max_examples=15, deadline=None)
def test_every_third_goes_to_the_challenger_of_a_cell_that_has_waited_longest(run):
    for each in challenges(run):
        if each.asked.block % CELL_EVERY:
            continue
        state = each.state
        confirming = {step.parents[0] for step in each.under_way if step.kind is Kind.CONFIRM}
        confirming |= {n for busy in (*confirming, state.anchor) for n in state.stand_ins(busy)}
        waiting = [
            elite.step
            for _, elite in state.grid.shown()
            if not elite.confirmed
            and elite.step not in confirming
            and state.belief(elite.step).chosen
        ]
        if waiting:
            assert each.asked.programs[0] == min(waiting)


@given(runs)
@settings(max_examples=15, deadline=None)
def test_of_those_nobody_confirmed_the_one_that_could_most_be_the_best_is_first(run):
    for each in challenges(run):
        state, challenger = each.state, each.asked.programs[0]
        if each.asked.block % CELL_EVERY == 0:
            continue
        leader = state.best_confirmed or state.ranked[0]
        confirming = {step.parents[0] for step in each.under_way if step.kind is Kind.CONFIRM}
        confirming |= {n for busy in (*confirming, state.anchor) for n in state.stand_ins(busy)}
        promising = {
            elite.step: elite.mean + elite.error
            for elite in state.ranked
            if not elite.confirmed
            and elite.step not in (*confirming, state.anchor, leader.step)
            and elite.mean + elite.error > leader.mean
        }
        if promising:
            assert promising[challenger] == max(promising.values())


def test_without_a_share_for_it_nothing_is_ever_confirmed():
    run = DrawnRun(Random(0), confirm=0.0)
    assert challenges(run) == []


def test_nothing_is_asked_before_anything_is_told():
    assert challenge(State(Grid(MEASURES), Rules(confirm=0.5), earned=9.0), []) is None


def steps_of(elites):
    return [elite.step for elite in elites]
