"""A state is a prefix of the history: what is told later never shows in it."""

import pytest

from archive.records import Evaluation, Kind, Status, Step
from evolve.grid import Grid
from evolve.spec import Measure
from evolve.state import State, fold, tell

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
