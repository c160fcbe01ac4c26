"""The run as an ask/tell object, from Python, without the loop and without a wall."""

import asyncio
import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archive import queries
from archive.records import Evaluation, Kind, Status
from archive.store import Archive
from evolve import RunLimits, load_task, open_run, resume_run
from evolve.calls import Calls
from evolve.desk import JournaledDesk
from evolve.errors import TaskError, UsageError, WorldError
from evolve.hashing import plain_digest
from evolve.messages import Message, Reply, Usage

TOY = "tests/tasks/toy"


@pytest.fixture
def archive(tmp_path):
    with Archive.open(tmp_path / "evolve.db") as opened:
        yield opened


def start(archive, *, steps=40, **options):
    return open_run(load_task(TOY), archive=archive, limits=RunLimits(steps=steps), **options)


def evaluation(text, status=Status.OK):
    """A made-up evaluation that depends on the program alone."""
    luck = random.Random(text)
    return Evaluation(
        task="",
        world="",
        stage="",
        block=0,
        program="",
        status=status,
        outputs_digest=plain_digest(text),
        fitness=luck.random() if status is Status.OK else None,
        n=4,
        measures={"spread": luck.uniform(0, 2), "lean": luck.uniform(-1, 1)},
    )


def program(n):
    return f"def weigh(features, k, rng):\n    return features[:, 0] * {n}.5\n"


def told(archive, run):
    return [
        (s.n, s.asked_after, s.operator, s.parents, s.program, s.status, s.cell, s.placement)
        for s in queries.told_steps(archive, run.record.id)
    ]


def test_ask_and_tell_until_the_limit(archive):
    run = start(archive, steps=12)
    while (assignment := run.ask()) is not None:
        run.tell(assignment, program(assignment.n), evaluation(program(assignment.n)))
    assert run.over == "steps"
    assert run.state.told == 12
    assert run.state.best[0].fitness == max(t.fitness for t in run.state.history.entries)
    run.close("steps")
    assert archive.run().stop_reason == "steps"


def test_initial_programs_are_the_first_steps_and_have_no_parents(archive):
    run = start(archive)
    first = [run.ask() for _ in range(len(run.initial))]
    assert [a.n for a in first] == list(range(len(run.initial)))
    assert {a.step.kind for a in first} == {Kind.INITIAL}
    assert all(a.parents == () for a in first)
    assert run.ask() is None  # nothing could be a parent yet
    run.close("interrupted")


LOOKAHEADS = [1, 3, 16]


@pytest.fixture(scope="module")
def told_in_order(tmp_path_factory):
    """What is told when steps are finished in the order in which they were asked, by lookahead."""
    place = tmp_path_factory.mktemp("in_order")
    return {each: told_when(place / f"{each}.db", each, lambda _: 0) for each in LOOKAHEADS}


@given(st.randoms(use_true_random=False), st.sampled_from(LOOKAHEADS))
@settings(max_examples=15, deadline=None)
def test_any_interleaving_of_completions_gives_the_same_tells(
    tmp_path_factory, told_in_order, random, lookahead
):
    """Whatever finishes first, steps are told by number, and asked from the same states."""
    place = tmp_path_factory.mktemp("interleaving") / "evolve.db"
    rows = told_when(place, lookahead, random.randrange)
    assert rows == told_in_order[lookahead]
    assert any(row[5] is Status.DUPLICATE for row in rows)


def told_when(place, lookahead, pick):
    """Give what is told of a run whose waiting steps finish as `pick` chooses, by how many wait."""
    with Archive.open(place) as archive:
        task = load_task(TOY, [f"search.lookahead={lookahead}"])
        run = open_run(task, archive=archive, rng_seed=3, limits=RunLimits(steps=30))
        waiting = []
        while not run.over:
            while (assignment := run.ask()) is not None:
                waiting.append(assignment)
            assignment = waiting.pop(pick(len(waiting)))
            give_in(run, assignment)
        rows = told(archive, run)
        run.close("steps")
        return rows


def give_in(run, assignment):
    """Tell a program, some of them duplicates, or what was found of those to compare."""
    if assignment.step.kind is Kind.CONFIRM:
        block = assignment.step.block
        scores = [
            {f"valid-{block}-{i}": n + i * (n % 3) for i in range(4)}
            for n in assignment.step.parents
        ]
        run.tell_compared(assignment, scores)
        return
    text = program(assignment.n % 13)
    run.tell(assignment, text, evaluation(text))


def test_arrival_order_tells_as_steps_finish_and_resumes_to_the_same_state(archive):
    task = load_task(TOY, ["search.order=arrival"])
    run = open_run(task, archive=archive, rng_seed=1, limits=RunLimits(steps=20))
    first = [run.ask() for _ in range(4)]
    for assignment in reversed(first):
        text = program(assignment.n)
        run.tell(assignment, text, evaluation(text))
    assert [row[0] for row in told(archive, run)] == [3, 2, 1, 0]
    state = run.state
    run.close("interrupted")
    again = resume_run(archive.run(), archive=archive)
    assert again.state.grid == state.grid
    assert again.state.best == state.best
    again.close("interrupted")


def test_a_duplicate_by_syntax_or_by_outputs_takes_no_cell_and_says_what_it_equals(archive):
    run = start(archive)
    texts = [program(1), program(1).replace("features", "features "), program(2), program(3)]
    results = [
        evaluation(program(1)),
        evaluation(program(1)),
        evaluation(program(1)),
        evaluation("x"),
    ]
    for text, result in zip(texts, results, strict=True):
        run.tell(run.ask(), text, result)
    steps = {s.n: s for s in queries.told_steps(archive, run.record.id)}
    assert [steps[n].status for n in range(4)] == ["ok", "duplicate", "duplicate", "ok"]
    assert [steps[n].duplicate_of for n in range(4)] == [None, 0, 0, None]
    assert steps[1].reason == "same syntax as step 0"
    assert steps[2].reason == "same behaviour as step 0"
    assert (steps[1].cell, steps[2].cell) == (None, None)
    assert run.state.evaluations == 2
    run.close("interrupted")


def test_a_tell_whose_commit_failed_is_told_again_as_if_nothing_had_been(
    archive, tmp_path, monkeypatch
):
    def work(run, before_tell=lambda: None):
        while (assignment := run.ask()) is not None:
            text = program(assignment.n % 9)
            before_tell()
            try:
                run.tell(assignment, text, evaluation(text))
            except OSError:
                monkeypatch.undo()
                run.tell_ready()
        run.close("steps")
        return run

    def fill_the_disk():
        def fail(*_, **__):
            raise OSError("no space left on device")

        monkeypatch.setattr(disturbed.journal, "tell", fail)

    disturbed = start(archive, steps=20)
    work(disturbed, fill_the_disk)
    with Archive.open(tmp_path / "undisturbed.db") as other:
        smooth = work(start(other, steps=20))
        assert told(archive, disturbed) == told(other, smooth)
    assert disturbed.state == replace(smooth.state, history=disturbed.state.history)
    assert [entry.step.n for entry in disturbed.state.history.entries] == list(range(20))


def test_evaluations_end_a_run_as_they_are_told(archive):
    run = open_run(load_task(TOY), archive=archive, limits=RunLimits(evaluations=9))
    while (assignment := run.ask()) is not None:
        text = program(assignment.n % 12)
        run.tell(assignment, text, evaluation(text))
    assert run.over == "evaluations"
    assert run.state.evaluations == 9
    run.close("evaluations")


def test_a_run_none_of_whose_initial_programs_is_valid_says_so(archive):
    run = start(archive)
    while (assignment := run.ask()) is not None:
        bad = evaluation(program(assignment.n), Status.CRASHED)
        run.tell(assignment, program(assignment.n), bad)
    with pytest.raises(UsageError, match="none of the 4 initial programs of toy is valid"):
        run.raise_barren()
    run.close("failed")


def test_a_task_that_changed_is_not_resumed(archive, tmp_path):
    import shutil

    shutil.copytree(TOY, tmp_path / "toy")
    run = open_run(load_task(tmp_path / "toy"), archive=archive)
    run.close("interrupted")
    with (tmp_path / "toy" / "task.py").open("a") as file:
        file.write("\n# another grader\n")
    with pytest.raises(UsageError, match="has changed since toy-1 began"):
        resume_run(archive.run(), archive=archive)


def test_brief_and_baselines_may_change_and_a_run_still_resumes(archive, tmp_path):
    import shutil

    shutil.copytree(TOY, tmp_path / "toy")
    open_run(load_task(tmp_path / "toy"), archive=archive).close("interrupted")
    (tmp_path / "toy" / "brief.md").write_text("other words")
    (tmp_path / "toy" / "programs" / "new.py").write_text(program(1))
    resume_run(archive.run(), archive=archive).close("interrupted")


def test_a_run_is_resumed_where_its_task_was_moved_to(archive, tmp_path, monkeypatch):
    import shutil

    shutil.copytree(TOY, tmp_path / "before" / "toy")
    open_run(load_task(tmp_path / "before" / "toy"), archive=archive).close("interrupted")
    (tmp_path / "after").mkdir()
    shutil.move(tmp_path / "before", tmp_path / "after" / "tasks")
    with pytest.raises(TaskError, match="before/toy: no such folder, and no task toy"):
        resume_run(archive.run(), archive=archive)
    monkeypatch.chdir(tmp_path / "after")
    shutil.copytree(tmp_path / "after" / "tasks" / "toy", tmp_path / "after" / "toy")
    for changed in ("toy", "tasks/toy"):  # another one of its name hides it not
        resume_run(archive.run(), archive=archive).close("interrupted")
        with (tmp_path / "after" / changed / "task.py").open("a") as file:
            file.write("\n# another grader\n")
    with pytest.raises(TaskError, match="before/toy: no such folder"):
        resume_run(archive.run(), archive=archive)


class Recorder:
    """A model that counts its calls and may be cut off."""

    name = "scripted"

    def __init__(self, die_at=None):
        self.requests, self.die_at = [], die_at

    async def complete(self, request, timeout_s):
        self.requests.append(request)
        if len(self.requests) == self.die_at:
            raise KeyboardInterrupt
        text = f"IDEA: more\n```python\n{program(100 + len(self.requests))}```"
        return Reply(text, usage=Usage(4, 3), usd=0.25)

    async def close(self):
        pass


class NothingAlike:
    """A wall behind which no two programs behave alike."""

    async def behaviour(self, source):
        return plain_digest(source)


def write_with(run, assignment, model):
    async def write():
        calls = Calls([model], run.model_settings)
        desk = JournaledDesk(run, assignment, NothingAlike(), calls)
        return await run.operators[assignment.step.operator].write(desk)

    return asyncio.run(write())


def run_to_first_search_step(archive):
    run = start(archive, operators=["rewrite"], models=["scripted"])
    for _ in range(len(run.initial)):
        assignment = run.ask()
        run.tell(assignment, program(assignment.n), evaluation(program(assignment.n)))
    return run, run.ask()


def test_a_settled_answer_is_handed_in_again_and_never_paid_twice(archive):
    model = Recorder()
    run, assignment = run_to_first_search_step(archive)
    written = write_with(run, assignment, model)
    assert write_with(run, assignment, model) == written
    assert written.idea == "more"
    assert len(model.requests) == 1
    answer, _ = queries.answers(archive, run.record.id)
    assert (answer.kind, answer.state, answer.usd, answer.tokens) == ("model", "received", 0.25, 7)
    assert answer.request["messages"][0]["text"] == model.requests[0].messages[0].text
    assert archive.run().usd == 0.25
    run.close("interrupted")


def test_a_call_cut_off_by_a_crash_counts_and_is_made_again(archive):
    model = Recorder(die_at=1)
    run, assignment = run_to_first_search_step(archive)
    with pytest.raises(KeyboardInterrupt):
        write_with(run, assignment, model)
    assert queries.answers(archive, run.record.id)[0].state == "sent"
    run.journal.close()
    again = resume_run(archive.run(), archive=archive)
    assignment = again.ask()
    written = write_with(again, assignment, model)
    assert written.source.strip() == program(102).strip()
    answers = queries.answers(archive, again.record.id)
    assert [(a.seq, a.state, a.cut_off) for a in answers] == [
        (0, "failed", True),
        (1, "received", False),
        (2, "received", False),
    ]
    assert write_with(again, assignment, model) == written
    again.close("interrupted")


def test_a_changed_operator_is_noticed_at_replay(archive, monkeypatch):
    model = Recorder()
    run, assignment = run_to_first_search_step(archive)
    write_with(run, assignment, model)
    other = (Message("user", "another prompt"),)
    monkeypatch.setattr("evolve.operators.asking.compose", lambda *_, **__: other)
    with pytest.raises(WorldError, match="its operator has changed"):
        write_with(run, assignment, model)
    run.close("interrupted")
