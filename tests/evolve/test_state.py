"""A state is a prefix of the history: what is told later never shows in it."""

from dataclasses import fields, replace
from random import Random

import drawn_run
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archive.records import Evaluation, Kind, Status, Step
from evolve.belief import comparison
from evolve.folding import fold
from evolve.grid import Elite, Grid
from evolve.spec import Measure
from evolve.state import NUM_BEST, Rules, State
from evolve.telling import tell

MEASURES = (
    Measure(name="a", range=(0.0, 1.0), bins=2),
    Measure(name="b", range=(0.0, 1.0), bins=2),
)


def finished(n, fitness=1.0, *, digest=None, parents=(), operator="tune"):
    evaluation = Evaluation(
        "t", "w", "train", 0, f"p{n}", Status.OK, digest or f"d{n}",
        fitness=fitness, n=3, se=0.1, measures={"a": 0.1, "b": 0.9},
    )  # fmt: skip
    step = Step(
        n, 0, Kind.SEARCH, operator, None, parents, f"x{n}", f"p{n}",
        outputs_digest=evaluation.outputs_digest,
    )  # fmt: skip
    return step, evaluation


def test_a_snapshot_does_not_see_what_is_told_after_it():
    snapshots = [State(Grid(MEASURES))]
    for n in range(6):
        parents = (0,) if n else ()
        step, evaluation = finished(n, float(n % 3), parents=parents)
        snapshots.append(tell(snapshots[-1], step, evaluation, 5).state)
    for k, state in enumerate(snapshots):
        assert state.told == k
        assert [n for n in range(6) if state.step(n) is not None] == list(range(k))
        assert [n for n in range(6) if state.digest(f"d{n}") is not None] == list(range(k))
        assert state.num_children(0) == max(k - 1, 0)
        assert state.tuned(0) == (True, True, False, True, True)[: max(k - 1, 0)]


def test_telling_and_folding_what_was_told_are_the_same():
    live = folded = State(Grid(MEASURES))
    rows = []
    for n, (fitness, digest) in enumerate(
        [(1.0, "x"), (2.0, "x"), (0.5, "y"), (3.0, "z"), (3.0, "y")]
    ):
        step, evaluation = finished(n, fitness, digest=digest)
        verdict = tell(live, step, evaluation, 5)
        live = verdict.state
        rows.append((verdict.step, evaluation))
    folded = State(Grid(MEASURES))
    for step, evaluation in rows:
        folded = fold(folded, step, evaluation, 5)
    assert folded.grid == live.grid
    assert (folded.best, folded.evaluations, folded.told) == (
        live.best,
        live.evaluations,
        live.told,
    )
    assert live.evaluations == 3
    assert [step.duplicate_of for step, _ in rows] == [None, 0, None, None, 2]


def test_a_state_is_told_once():
    state = State(Grid(MEASURES))
    tell(state, *finished(0), 5)
    with pytest.raises(ValueError, match="not after the last tell"):
        tell(state, *finished(1), 5)


def test_telling_the_very_same_again_gives_the_same_verdict_and_one_entry():
    before = tell(State(Grid(MEASURES)), *finished(0), 5).state
    finished_step = finished(1, 2.0, parents=(0,))
    first, again = (tell(before, *finished_step, 5) for _ in range(2))
    assert again == first
    assert [entry.step.n for entry in before.history.entries] == [0, 1]
    assert (again.state.num_children(0), again.state.tuned(0)) == (1, (True,))
    assert tell(again.state, *finished(2), 5).state.told == 3
    with pytest.raises(ValueError, match="not after the last tell"):
        tell(before, *finished_step, 5)


def test_a_time_out_has_no_evaluation_and_keeps_its_reason():
    step = Step(0, 0, Kind.INITIAL, "initial", program="p", source="x",
                ran={"status": "timeout", "reason": "cpu_s: 3 s used, bound 2 s"})  # fmt: skip
    verdict = tell(State(Grid(MEASURES)), step, None, 5)
    assert (verdict.step.status, verdict.step.reason) == (
        Status.TIMEOUT,
        "cpu_s: 3 s used, bound 2 s",
    )
    assert verdict.cells == {}


runs = st.builds(
    drawn_run.DrawnRun,
    chance=st.integers(0, 2**32).map(Random),
    confirm=st.sampled_from([0.0, 0.3, 0.5]),
    in_order=st.booleans(),
)


@given(runs)
@settings(max_examples=25, deadline=None)
def test_folding_told_rows_gives_the_state_that_told_them(run):
    live = list(run.states(60))
    folded = State(Grid(drawn_run.MEASURES, depth=2), Rules(run.confirm))
    for entry, state in zip(live[-1].history.entries, live, strict=True):
        folded = fold(folded, entry.step, entry.evaluation, entry.nodes)
        assert known(folded) == known(state)
    assert folded.history.beliefs == live[-1].history.beliefs


@given(runs)
@settings(max_examples=25, deadline=None)
def test_what_was_believed_then_is_never_changed_by_what_is_told_later(run):
    seen = []
    for state in run.states(40):
        seen.append((state, beliefs(state)))
    for state, believed in seen:
        assert beliefs(state) == believed


@given(runs)
@settings(max_examples=25, deadline=None)
def test_elites_hold_what_is_believed_of_them(run):
    for state in run.states(60):
        if not run.confirm:
            continue
        for elite in (*state.grid.elites(), *state.best):
            assert elite.fresh == state.belief(elite.step).fresh
        assert list(state.best) == sorted(state.best, key=lambda elite: elite.key())


# Of many cells most hold nobody who could be among the best, and nobody looks at them.
wide_runs = st.builds(
    drawn_run.DrawnRun,
    chance=st.integers(0, 2**32).map(Random),
    confirm=st.sampled_from([0.3, 0.5]),
    bins=st.just(25),
)


@given(wide_runs)
@settings(max_examples=20, deadline=None)
def test_after_a_confirm_step_nobody_is_better_than_the_best(run):
    for state in run.states(150):
        if state.told and state.history.entries[state.told - 1].step.kind is Kind.CONFIRM:
            among = {elite.step: elite for elite in (*state.best, *state.grid.elites())}
            assert list(state.best) == sorted(among.values(), key=Elite.key)[:NUM_BEST]


@given(runs)
@settings(max_examples=40, deadline=None)
def test_an_elite_is_believed_alike_whether_it_was_looked_at_between_or_not(run):
    """`known` looks at every cell; who only folds looks at few."""
    looked = list(run.states(60))
    folded = State(Grid(drawn_run.MEASURES, depth=2), Rules(run.confirm))
    for entry in looked[-1].history.entries:
        folded = fold(folded, entry.step, entry.evaluation, entry.nodes)
    assert known(folded) == known(looked[-1])
    for elite in folded.grid.elites():
        if folded.belief(elite.step):
            assert elite.most == folded.belief(elite.step).most


def known(state):
    """Give all that a state knows but its history, of which only the beginning is its own."""
    return {
        each.name: getattr(state, each.name) for each in fields(state) if each.name != "history"
    }


def beliefs(state):
    return {n: state.belief(n) for n in range(40)}


def confirmation(n, programs, means, told):
    """Make a confirm step whose programs scored as given on every instance; None failed."""
    scores = [None if mean is None else {"a": mean, "b": mean} for mean in means]
    ran = {"status": "ok", "compared": comparison(scores, {}).plain()}
    return Step(n, told, Kind.CONFIRM, "confirm", parents=programs, block=1, ran=ran)


def initial(n, fitness):
    step, evaluation = finished(n, fitness)
    return replace(step, kind=Kind.INITIAL, operator="initial"), scored(n, evaluation)


def scored(n, evaluation):
    """Give scores on two instances, the farther apart the later the step: noise for its gain."""
    mean, apart = evaluation.fitness, 0.5 * n
    return replace(evaluation, scores={"a": mean + apart, "b": mean - apart}, n=2)


def child(n, fitness, **how):
    step, evaluation = finished(n, fitness, parents=(0,), **how)
    return step, scored(n, evaluation)


def told_all(*finished_steps, depth=3, nodes=5):
    state = State(Grid(MEASURES, depth), Rules(confirm=0.1))
    for step, evaluation in finished_steps:
        state = tell(state, step, evaluation, nodes).state
    return state


def test_a_lucky_challenger_gives_its_cell_back_when_it_is_not_found_to_hold():
    state = told_all(initial(0, 1.0), child(1, 2.0), child(2, 3.0))
    assert [elite.step for elite in state.grid.cells[0, 1]] == [2, 1, 0]
    verdict = tell(state, confirmation(3, (2, 1, 0), (1.1, 2.0, 1.0), 3), None, 0)
    assert [elite.step for elite in verdict.state.grid.cells[0, 1]] == [1, 2, 0]
    assert (verdict.step.cell, verdict.step.placement) == ((0, 1), "NOT_ADDED")
    assert [(row.step, row.confirmed) for row in verdict.cells[0, 1]] == [
        (1, True),
        (2, True),
        (0, True),
    ]


def test_a_challenger_that_holds_keeps_its_cell():
    state = told_all(initial(0, 1.0), child(1, 2.0), child(2, 3.0))
    verdict = tell(state, confirmation(3, (2, 1, 0), (3.0, 2.0, 1.0), 3), None, 0)
    assert verdict.step.placement == "IMPROVED"
    assert verdict.state.best[0].step == 2


def test_what_fails_on_fresh_instances_leaves_the_grid_and_the_best():
    state = told_all(initial(0, 1.0), child(1, 2.0), child(2, 3.0))
    after = tell(state, confirmation(3, (2, 1, 0), (None, 2.0, 1.0), 3), None, 0).state
    assert [elite.step for elite in after.grid.cells[0, 1]] == [1, 0]
    assert [elite.step for elite in after.best] == [1, 0]


def test_the_initial_program_that_sets_the_scale_is_believed_as_measured():
    state = told_all(initial(0, 1.0), child(1, 2.0))
    after = tell(state, confirmation(2, (1, 0), (7.0, 5.0), 2), None, 0).state
    assert after.believed(0) == (1.0, 0.0)


def test_the_anchor_may_fail_on_a_fresh_block():
    state = told_all(initial(0, 1.0), child(1, 2.0), child(2, 3.0))
    after = tell(state, confirmation(3, (2, 1, 0), (3.0, 2.0, None), 3), None, 0).state
    assert 0 in {elite.step for elite in after.grid.elites()}  # all is measured by it


def test_a_full_cell_keeps_its_best_confirmed_until_both_are_compared():
    state = told_all(initial(0, 1.0), child(1, 2.0), depth=1)
    state = tell(state, confirmation(2, (1, 0), (2.0, 1.0), 2), None, 0).state
    state = tell(state, *child(3, 5.0), 5).state
    assert [elite.step for elite in state.grid.cells[0, 1]] == [3, 1]
    state = tell(state, confirmation(4, (3, 1, 0), (5.0, 2.0, 1.0), 4), None, 0).state
    assert [elite.step for elite in state.grid.cells[0, 1]] == [3]


def test_a_shorter_twin_takes_the_place_of_the_longer_and_stays_a_duplicate():
    state = told_all(initial(0, 1.0), child(1, 2.0, digest="same"))
    state = tell(state, confirmation(2, (1, 0), (2.0, 1.0), 2), None, 0).state
    longer = state.grid.cells[0, 1][0]
    verdict = tell(state, *child(3, 2.0, digest="same"), nodes=4)
    assert (verdict.step.status, verdict.step.duplicate_of) == (Status.DUPLICATE, 1)
    assert (verdict.step.cell, verdict.step.placement) == ((0, 1), "IMPROVED")
    shorter = verdict.state.grid.cells[0, 1][0]
    assert shorter == replace(longer, step=3, program="p3", nodes=4)
    assert verdict.state.best[0] == shorter
    assert verdict.state.belief(3) == state.belief(1)
    assert verdict.state.evaluations == state.evaluations


@pytest.mark.parametrize("nodes", [5, 6])
def test_a_twin_that_is_no_shorter_changes_nothing(nodes):
    state = told_all(initial(0, 1.0), child(1, 2.0, digest="same"))
    verdict = tell(state, *child(2, 2.0, digest="same"), nodes=nodes)
    assert (verdict.step.status, verdict.step.cell, verdict.cells) == (Status.DUPLICATE, None, {})
    assert verdict.state.grid is state.grid


def test_a_third_twin_takes_the_place_of_the_second():
    state = told_all(initial(0, 1.0), child(1, 2.0, digest="same"))
    for n, nodes in ((2, 4), (3, 3)):
        verdict = tell(state, *child(n, 2.0, digest="same"), nodes=nodes)
        state = verdict.state
        assert (verdict.step.duplicate_of, state.grid.cells[0, 1][0].step) == (1, n)


def test_search_steps_earn_confirmation_and_other_steps_do_not():
    state = told_all(initial(0, 1.0))
    assert state.earned == 0.0
    state = tell(state, *child(1, 2.0), 5).state
    earned = state.earned
    assert 0.0 < earned <= 0.1
    state = tell(state, confirmation(2, (1, 0), (2.0, 1.0), 2), None, 0).state
    assert (state.earned, state.confirms) == (earned, 1)
