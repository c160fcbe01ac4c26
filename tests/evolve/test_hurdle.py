"""The hurdle spares what is hopeless on a part of the train block, and is itself held to account."""

from dataclasses import replace
from pathlib import Path

import pytest

from archive.records import Evaluation, Kind, Status, Step
from evolve.errors import TaskError
from evolve.folding import fold
from evolve.grader import Grader
from evolve.grid import Elite, Grid
from evolve.hurdle import (
    BY_CHANCE,
    HURDLE,
    STOPPED,
    HurdleRecord,
    hopeless,
    is_stopped,
    quick_names,
)
from evolve.loader import load_task
from evolve.spec import Measure
from evolve.state import State
from evolve.statistics import Grouping
from evolve.telling import tell
from evolve.view import view
from evolve.world import world
from sandbox import Sandbox

TOY = Path(__file__).resolve().parent.parent / "tasks" / "toy"
MEASURES = (
    Measure(name="a", range=(0.0, 1.0), bins=4),
    Measure(name="b", range=(0.0, 1.0), bins=4),
)
NAMES = tuple("abcdefgh")
GROUPING = Grouping(subgroups=dict.fromkeys(NAMES, ()))
QUICK = quick_names(GROUPING)
MIDDLE = {"a": 0.3, "b": 0.3}  # cell (1, 1)

FIRST = "def weigh(features, k, rng):\n    return features[:, 0]\n"
DRAWS = "def weigh(features, k, rng):\n    return rng.normal(size=len(features))\n"
FAILS_LATE = (
    "def weigh(features, k, rng):\n    return features[:, 0] if len(features) < {size} else None\n"
)


# --- which instances are quick ---


def test_half_of_the_units_are_quick_in_the_order_of_the_block():
    assert QUICK == ("a", "b", "c", "d")


def test_instances_of_one_unit_stay_together():
    names = [f"{pool}-{budget}" for pool in range(8) for budget in (5, 10)]
    grouping = Grouping(dict.fromkeys(names, ()), {name: name.split("-")[0] for name in names})
    assert quick_names(grouping) == tuple(names[:8])


def test_every_subgroup_is_represented_where_that_is_possible():
    labels = ["kind=x"] * 5 + ["kind=y", "kind=z", "kind=x"]
    grouping = Grouping({name: (label,) for name, label in zip(NAMES, labels, strict=True)})
    assert quick_names(grouping) == ("a", "b", "f", "g")


@pytest.mark.parametrize("number", [0, 1, 7])
def test_a_block_of_fewer_than_eight_units_has_no_quick_stage(number):
    assert quick_names(Grouping(dict.fromkeys(NAMES[:number], ()))) == ()


# --- who is hopeless ---


def measured(*offsets, measures=MIDDLE):
    """Make an evaluation on the quick stage, of scores near 1."""
    scores = {name: 1.0 + offset for name, offset in zip(QUICK, offsets, strict=True)}
    fitness = sum(scores.values()) / len(scores)
    return Evaluation(
        "t", "w", "quick", 0, "p", Status.OK, "d",
        fitness=fitness, n=len(scores), scores=scores, measures=measures,
    )  # fmt: skip


def grid_of(*cells, depth=1):
    grid = Grid(MEASURES, depth)
    for step, cell in enumerate(cells):
        grid, _ = grid.place(cell, Elite(step, f"p{step}", 1.0, 5))
    return grid


def one_each(step):
    """Give an elite that scores 1 everywhere."""
    return dict.fromkeys(NAMES, 1.0)


WORSE = measured(-0.5, -0.6, -0.5, -0.6)


def test_what_is_clearly_worse_than_all_elites_of_its_cell_is_hopeless():
    found = hopeless(grid_of((1, 1), (1, 1), (1, 2), depth=2), one_each, WORSE, GROUPING)
    assert found.elites == 2
    assert str(found) == "hopeless: after 4 of 8 instances worse than all 2 elites of its cell"


def test_what_is_not_clearly_worse_goes_on():
    for offsets in [(-0.5, -1.5, 0.5, -0.1), (0.0, 0.0, 0.0, 0.0), (0.1, 0.1, 0.1, 0.1)]:
        assert hopeless(grid_of((1, 1)), one_each, measured(*offsets), GROUPING) is None


def test_what_is_worse_by_the_same_everywhere_is_hopeless():
    assert hopeless(grid_of((1, 1)), one_each, measured(-0.5, -0.5, -0.5, -0.5), GROUPING)


def test_differences_are_of_independent_units():
    two = Grouping(GROUPING.subgroups, {"a": "one", "b": "one", "c": "two", "d": "two"})
    assert hopeless(grid_of((1, 1)), one_each, measured(-0.5, -0.6, -0.6, -0.5), two)
    assert hopeless(grid_of((1, 1)), one_each, measured(-0.4, -0.4, -1.5, -1.5), two) is None
    assert hopeless(grid_of((1, 1)), one_each, measured(-0.4, -0.4, -1.5, -1.5), GROUPING)


def test_who_is_worse_than_all_but_one_goes_on():
    weak = {1: dict.fromkeys(NAMES, 0.4)}
    grid = grid_of((1, 1), (1, 1), depth=2)
    assert hopeless(grid, lambda step: weak.get(step, one_each(step)), WORSE, GROUPING) is None


def test_nobody_is_hopeless_where_the_cell_has_room():
    assert hopeless(grid_of((2, 2)), one_each, WORSE, GROUPING) is None
    assert hopeless(grid_of((1, 1), depth=2), one_each, WORSE, GROUPING) is None


def test_an_elite_without_scores_condemns_nobody():
    assert hopeless(grid_of((1, 1)), lambda step: {}, WORSE, GROUPING) is None


def test_what_has_no_scores_is_not_hopeless():
    failed = replace(WORSE, status=Status.INVALID, fitness=None, scores={}, measures={})
    assert hopeless(grid_of((1, 1)), one_each, failed, GROUPING) is None


# --- what it costs ---


def test_the_hurdle_ends_where_more_than_a_tenth_of_the_hopeless_get_a_place():
    record = HurdleRecord()
    for fact, placement in [(STOPPED, "NOT_ADDED"), (BY_CHANCE, "NEW"), (None, "NEW")]:
        record = record.told(fact, placement)
    assert record == HurdleRecord(stopped=1, passed=1, wrong=1)
    assert not record.off  # one may be luck
    assert record.told(BY_CHANCE, "IMPROVED").off
    assert not HurdleRecord(passed=20, wrong=2).off
    assert HurdleRecord(passed=19, wrong=2).off


# --- what a state makes of it ---


def stopped(n, quick=WORSE, **more):
    reason = "hopeless: after 4 of 8 instances worse than the elite of its cell"
    ran = {"status": "ok", "reason": reason, HURDLE: STOPPED}
    return Step(n, 0, Kind.SEARCH, "tune", None, (0,), f"x{n}", f"p{n}", ran=ran, **more), quick


def begun():
    """Tell an initial program."""
    scores = one_each(0)
    evaluation = Evaluation(
        "t", "w", "train", 0, "p0", Status.OK, "d0",
        fitness=1.0, n=8, se=0.1, scores=scores, measures=MIDDLE,
    )  # fmt: skip
    step = Step(0, 0, Kind.INITIAL, "initial", None, (), "x0", "p0", outputs_digest="d0")
    return tell(State(Grid(MEASURES)), step, evaluation, 5).state


def test_what_stopped_has_no_fitness_and_no_cell_and_counts_as_one_evaluation():
    before = begun()
    verdict = tell(before, *stopped(1), 5)
    step, after = verdict.step, verdict.state
    assert (step.status, step.placement, step.cell) == (Status.OK, "NOT_ADDED", None)
    assert step.reason.startswith("hopeless: after 4 of 8")
    assert is_stopped(step)
    assert after.step(1).fitness is None
    assert after.grid is before.grid
    assert after.best == before.best
    assert after.evaluations == before.evaluations + 1
    assert after.hurdle == HurdleRecord(stopped=1)
    assert verdict.cells == {}
    assert fold(before, step, WORSE, 5) == after


def test_the_same_program_again_is_a_duplicate_and_counts_no_evaluation():
    state = tell(begun(), *stopped(1), 5).state
    step, quick = stopped(2)
    verdict = tell(state, replace(step, program="p1"), quick, 5)
    assert (verdict.step.status, verdict.step.duplicate_of) == (Status.DUPLICATE, 1)
    assert verdict.state.evaluations == state.evaluations


def test_what_stopped_is_nobody_s_trusted_origin():
    state = tell(begun(), *stopped(1, behaviour="same"), 5).state
    assert state.trusted("same") is None


def test_a_model_is_told_no_fitness_of_what_stopped():
    state = tell(begun(), *stopped(1, idea="try less"), 5).state
    (tried,) = view(state, GROUPING).newest
    assert (tried.idea, tried.fitness, tried.gain) == ("try less", None, None)


# --- the grader ---


def opened(*settings):
    task = load_task(TOY, ["grade_ms=0", "probes=1", *settings])
    return Grader.open(
        folder=str(task.folder),
        settings=dict(task.settings),
        digest=task.digest,
        world=world(),
        level="auto",
        min_level="weak",
        tried=False,
        test_is_open=False,
        report=lambda done, total, what: None,
    )


@pytest.fixture(scope="module")
def grader():
    grader = opened("pools=8")
    yield grader
    grader.close()


@pytest.fixture
def done(monkeypatch, grader):
    """Count what is run and what is graded, by the names of instances."""
    done = {"run": [], "graded": []}
    run, grade_all = Sandbox.run, grader.code.grade_all

    def noting_run(box, job, **more):
        done["run"].append(job.input)
        return run(box, job, **more)

    def noting_grades(instances, outputs):
        done["graded"] += [instance.name for instance in instances]
        return grade_all(instances, outputs)

    grader._blocks.block("quick", 0)
    monkeypatch.setattr(Sandbox, "run", noting_run)
    monkeypatch.setattr(grader.code, "grade_all", noting_grades)
    return done


def ran(grader, source, stage):
    """Run a program; give what follows from it alone, and its token."""
    found = grader.run(source, stage, 0)
    return {key: found[key] for key in ("status", "reason", "outputs_digest")}, found["token"]


@pytest.mark.parametrize("source", [FIRST, DRAWS])
def test_what_goes_on_is_run_and_graded_once_and_is_as_if_run_at_once(source, grader, done):
    whole = [f"train-0-{i}" for i in range(8)]
    expected, token = ran(grader, source, "train")
    graded = grader.grade(token)["quality"]
    assert done == {"run": whole, "graded": whole}
    done["run"].clear()
    done["graded"].clear()

    _, token = ran(grader, source, "quick")
    quick = grader.grade(token)
    assert quick["quality"]["n"] == 4
    assert done == {"run": whole[:4], "graded": whole[:4]}
    found, token = ran(grader, source, "train")
    assert found == expected
    rest = grader.grade(token)
    assert rest["quality"] == graded
    assert rest["seconds"] >= quick["seconds"]
    assert done == {"run": whole, "graded": whole}


def test_the_cost_is_that_of_the_whole_block(grader):
    quick = grader.run(FIRST, "quick", 0)
    whole = grader.run(FIRST, "train", 0)
    assert whole["wall_s"] > quick["wall_s"]
    assert whole["cpu_s"] > quick["cpu_s"]
    assert whole["limit_share"] >= quick["limit_share"]


def test_only_the_last_program_goes_on_and_only_once(grader, done):
    grader.run(FIRST, "quick", 0)
    grader.run(DRAWS, "quick", 0)
    for source in (FIRST, DRAWS, DRAWS):
        grader.run(source, "train", 0)
    assert len(done["run"]) == 4 + 4 + 8 + 4 + 8


def test_what_goes_on_ungraded_is_graded_whole(grader, done):
    grader.run(FIRST, "quick", 0)  # its outputs were known: nobody graded them here
    _, token = ran(grader, FIRST, "train")
    assert grader.grade(token)["quality"]["n"] == 8
    assert len(done["graded"]) == 8


@pytest.mark.parametrize("size", [50, 54])  # fails on the third instance, on the seventh
def test_what_fails_fails_as_if_run_at_once(size, grader, done):
    source = FAILS_LATE.format(size=size)
    expected, token = ran(grader, source, "train")
    refused = grader.grade(token)["quality"] if token else None
    _, token = ran(grader, source, "quick")
    if token:
        grader.grade(token)
    found, token = ran(grader, source, "train")
    assert found == expected
    assert (grader.grade(token)["quality"] if token else None) == refused


def test_a_task_with_too_few_instances_has_no_quick_stage():
    small = opened("pools=7")
    try:
        with pytest.raises(TaskError, match="too small for a quick stage"):
            small.run(FIRST, "quick", 0)
    finally:
        small.close()
