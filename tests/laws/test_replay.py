"""A replay proves that a run follows from its code, journal and seeds, or names where it does not."""

import asyncio
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from archive import queries
from archive.errors import RunBusy
from archive.records import Status
from archive.store import Archive
from evolve import RunLimits, load_task, open_run, replay_run, resume_run, search
from evolve.build import executor_for, worker_for
from evolve.errors import UsageError
from evolve.messages import Message
from evolve.models.scripted import ScriptedModel
from evolve.replay import Differs, Replay
from evolve.selection import ask

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent.parent
TOY = ROOT / "tests" / "tasks" / "toy"
QUICK = ("grade_ms=0", "pools=1", "probes=1")
STEPS = 24
PATIENCE_S = 600
GOOD = "def weigh(features, k, rng):\n    return features[:, 0]\n"
FLOODS = "def weigh(features, k, rng):\n    while True: print('x' * 999)\n"


@pytest.fixture
def archive(tmp_path):
    with Archive.open(tmp_path / "evolve.db") as opened:
        yield opened


@pytest.fixture(scope="module")
def searched_once(tmp_path_factory):
    """Search with operators that need no model."""
    place = tmp_path_factory.mktemp("searched") / "evolve.db"
    with Archive.open(place) as archive:
        assert search(start(archive), workers=2) == "steps"
    return place


@pytest.fixture(scope="module")
def asked_once(tmp_path_factory):
    """Search with a model too, which answers something new each time."""

    def answer(request):
        body = f"return features[:, {model.calls % 5}] * {model.calls}.5 + features[:, 1]"
        return f"IDEA\n```python\ndef weigh(features, k, rng):\n    {body}\n```"

    model = ScriptedModel(answer)
    place = tmp_path_factory.mktemp("asked") / "evolve.db"
    with Archive.open(place) as archive:
        run = start(archive, operators=["rewrite", "perturb"], models=[model.name])
        assert search(run, workers=2, models=[model]) == "steps"
    assert model.calls > 0
    return place


@pytest.fixture
def searched(searched_once, tmp_path):
    """Give an archive of this test's own that holds the finished run toy-1."""
    with _copy(searched_once, tmp_path) as archive:
        yield archive


@pytest.fixture
def asked(asked_once, tmp_path):
    """Give an archive of this test's own that holds the finished run toy-1, with a model."""
    with _copy(asked_once, tmp_path) as archive:
        yield archive


def _copy(place, folder):
    shutil.copy(place, folder / "evolve.db")
    return Archive.open(folder / "evolve.db")


@pytest.fixture
def tamper(tmp_path):
    """Change rows behind the archive's back."""

    def change(statement, *values):
        with sqlite3.connect(tmp_path / "evolve.db") as connection:
            assert connection.execute(statement, values).rowcount > 0

    return change


@pytest.fixture
def evolve(tmp_path):
    """Run the command line in a process of its own, beside the archive of this test."""

    def command(*arguments, expect=0):
        done = subprocess.run(
            [sys.executable, "-m", "evolve", *map(str, arguments)],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT), "EVOLVE_ARCHIVE": "evolve.db"},
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )
        assert done.returncode == expect, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done

    return command


def start(archive, *settings, steps=STEPS, **options):
    task = load_task(TOY, [*QUICK, *settings])
    return open_run(task, archive=archive, rng_seed=5, limits=RunLimits(steps=steps), **options)


def model_answers(archive):
    return [a for a in queries.answers(archive, archive.run("toy-1").id) if a.kind == "model"]


def newest_first(run, told):
    """Work on the newest open step each time, until so many are told; leave the run there."""

    async def body():
        async with executor_for(run, workers=1) as slots:
            worker, waiting = worker_for(run, slots), []
            while run.state.told < told:
                while (assignment := run.ask()) is not None:
                    waiting.append(assignment)
                await worker.work(waiting.pop())
                run.tell_ready()

    asyncio.run(body())
    run.close("interrupted")


def told(archive, record):
    """Give what a replay must repeat."""
    evaluations = queries.evaluations(archive, record.id)
    return [
        (
            *(s.n, s.asked_after, s.kind, s.operator, s.model, s.parents, s.source, s.program),
            *(s.outputs_digest, s.status, s.duplicate_of, s.cell, s.placement, s.told_seq),
            evaluations[s.evaluation].fitness if s.evaluation else None,
        )
        for s in queries.told_steps(archive, record.id)
    ]


def where(archive, record, workers=1):
    """Replay a run that should differ; give the difference and the record of the replay."""
    with pytest.raises(Differs) as stopped:
        search(replay_run(record, archive=archive), workers=workers)
    return stopped.value.difference, archive.run()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_replay_tells_the_same_steps_with_any_workers_and_grades_anew(searched, workers):
    archive, record = searched, searched.run()
    assert search(replay_run(record, archive=archive), workers=workers) == "steps"
    replay = archive.run()
    assert replay.name == "toy-1-replay"
    assert told(archive, replay) == told(archive, record)
    assert queries.elites(archive, replay.id) == queries.elites(archive, record.id)
    assert replay.gradings == record.gradings > 0


def test_models_and_drafts_answer_from_the_journal_and_no_call_is_made(asked, monkeypatch):
    archive, record = asked, asked.run()
    monkeypatch.delattr(ScriptedModel, "complete")
    search(replay_run(record, archive=archive), workers=2)
    replay = archive.run()
    assert told(archive, replay) == told(archive, record)
    assert (replay.usd, replay.tokens) == (0.0, 0)
    kept, again = (
        [(a.n, a.seq, a.request_digest, a.response) for a in queries.answers(archive, run.id)]
        for run in (record, replay)
    )
    answered = {row[0] for row in told(archive, record)}
    assert [row for row in kept if row[0] in answered] == again
    assert {a.kind for a in queries.answers(archive, replay.id)} == {"draft", "model"}


def test_a_model_that_gave_no_answer_gives_none_again(archive):
    model = ScriptedModel(["no code at all"])
    run = start(archive, operators=["rewrite"], models=[model.name], steps=8)
    search(run, workers=1, models=[model])
    record = archive.run()
    search(replay_run(record, archive=archive), workers=2)
    replay = archive.run()
    assert told(archive, replay) == told(archive, record)
    assert Status.UNWRITTEN in {row[9] for row in told(archive, replay)}


def test_arrival_order_is_told_again_as_it_was_though_it_stopped_between_steps(archive):
    newest_first(start(archive, "search.order=arrival", steps=60), told=STEPS)
    record = archive.run()
    order = [row[0] for row in told(archive, record)]
    assert order != sorted(order)
    assert max(order) >= STEPS
    assert search(replay_run(record, archive=archive), workers=2) == "steps"
    assert told(archive, archive.run()) == told(archive, record)


def test_an_interrupted_replay_goes_on_and_another_gets_a_name_of_its_own(searched):
    archive, record = searched, searched.run()
    newest_first(replay_run(record, archive=archive), told=10)
    again = resume_run(archive.run("toy-1-replay"), archive=archive)
    assert isinstance(again, Replay)
    assert search(again, workers=2) == "steps"
    assert told(archive, archive.run()) == told(archive, record)
    another = replay_run(archive.run("toy-1-replay"), archive=archive)
    another.close("interrupted")
    assert another.record.name == "toy-1-replay-2"
    assert another.recording.run.name == "toy-1"


def test_a_replay_takes_no_new_limits(searched):
    replay_run(searched.run(), archive=searched).close("interrupted")
    with pytest.raises(UsageError, match="`evolve resume toy-1` goes on"):
        resume_run(searched.run(), archive=searched, limits=RunLimits(steps=50))


def test_a_verdict_of_a_limit_is_taken_as_recorded(archive):
    search(start(archive, steps=3, initial={"good": GOOD, "floods": FLOODS}), workers=2)
    record = archive.run()
    search(replay_run(record, archive=archive), workers=1)
    assert told(archive, archive.run()) == told(archive, record)
    steps = [queries.step(archive, run.id, 1) for run in (record, archive.run())]
    assert steps[0].status is Status.OVER_LIMIT
    assert steps[0].ran == steps[1].ran


def test_a_tampered_answer_is_the_first_difference(asked, tamper):
    archive, record, forgeable = asked, asked.run(), model_answers(asked)[-1]
    forged = json.dumps({"text": f"```python\n{GOOD}```"})
    change = "UPDATE answers SET response = ? WHERE run = ? AND n = ? AND seq = ?"
    tamper(change, forged, record.id, forgeable.n, forgeable.seq)
    difference, replay = where(archive, record, workers=2)
    assert (difference.step, difference.field) == (forgeable.n, "source")
    # Of the forged program something else would have been asked: what it is like.
    assert "asks something else" in difference.replayed
    # What is the same was told, and no more: coming back, one meets the difference again.
    assert replay.told == queries.step(archive, record.id, forgeable.n).told_seq
    assert replay.stop_reason == "failed"
    with pytest.raises(Differs) as stopped:
        search(resume_run(replay, archive=archive), workers=1)
    assert stopped.value.difference == difference


def test_a_missing_answer_is_a_difference(asked, tamper):
    archive, record = asked, asked.run()
    answered = {answer.n for answer in model_answers(asked)}
    first = next(step for step in queries.told_steps(archive, record.id) if step.n in answered)
    tamper("DELETE FROM answers WHERE run = ? AND n = ?", record.id, first.n)
    difference, _ = where(archive, record)
    assert (difference.step, difference.field) == (first.n, "source")
    assert "toy-1 has no answer to its effect 0" in difference.replayed


def test_a_changed_prompt_is_a_difference_though_the_answer_would_be_at_hand(asked, monkeypatch):
    archive, record = asked, asked.run()
    answered = {answer.n for answer in model_answers(asked)}
    # Steps are told as they finish: the lowest is not always the first.
    first = next(step for step in queries.told_steps(archive, record.id) if step.n in answered)
    other = (Message("user", "another prompt"),)
    monkeypatch.setattr("evolve.operators.asking.compose", lambda *_, **__: other)
    difference, _ = where(archive, record, workers=2)
    assert (difference.step, difference.field) == (first.n, "source")
    assert "asks something else as effect 0 than in toy-1" in difference.replayed


def test_a_changed_choice_of_parents_is_a_difference(searched, monkeypatch):

    def ask_anew(state, means, *others):
        return ask(state, replace(means, policy="initial") if state.told >= 8 else means, *others)

    monkeypatch.setattr("evolve.run.ask", ask_anew)
    difference, replay = where(searched, searched.run(), workers=2)
    assert difference.field in ("operator", "parents")
    assert replay.told == difference.step


def test_a_step_that_cannot_be_asked_is_a_difference(searched, monkeypatch):
    monkeypatch.setattr("evolve.run.ask", lambda *_: None)
    difference, _ = where(searched, searched.run())
    assert (difference.step, difference.field) == (4, "ask")


@pytest.mark.parametrize(
    ("column", "forged", "field"),
    [("fitness", 9.5, "fitness"), ("scores", '{"train-0-0":9.5}', "scores of train-0-0")],
)
def test_a_tampered_grade_is_a_difference(searched, tamper, column, forged, field):
    archive, record = searched, searched.run()
    graded = queries.step(archive, record.id, 2).evaluation
    tamper(f"UPDATE evaluations SET {column} = ? WHERE id = ?", forged, graded)
    difference, _ = where(archive, record)
    assert (difference.step, difference.field, difference.recorded) == (2, field, "9.5")


def test_a_run_that_is_being_written_or_has_nothing_is_not_replayed(archive):
    run = start(archive)
    with pytest.raises(RunBusy, match="replay it when it has ended"):
        replay_run(run.record, archive=archive)
    run.close("interrupted")
    with pytest.raises(UsageError, match="nothing to replay"):
        replay_run(archive.run(), archive=archive)


def test_the_command_line_says_that_all_steps_are_the_same(searched, evolve):
    said = evolve("resume", "--replay", "--workers", 1).stdout
    assert "toy-1-replay: all 24 steps are the same as in toy-1" in said
    # The latest run is a replay now; what it replays is meant.
    assert json.loads(evolve("resume", "--replay", "--json").stdout) == {
        "run": "toy-1-replay-2",
        "replay_of": "toy-1",
        "steps": STEPS,
        "recorded_steps": STEPS,
        "same": True,
        "first_difference": None,
    }


def test_the_command_line_names_the_first_difference_and_ends_with_1(searched, tamper, evolve):
    record = searched.run()
    tamper("UPDATE steps SET placement = 'LOST' WHERE run = ? AND n = 1", record.id)
    failed = evolve("resume", "--replay", "--json", expect=1)
    document = json.loads(failed.stdout)
    assert (document["steps"], document["same"]) == (1, False)
    assert document["first_difference"]["field"] == "placement"
    assert "toy-1-replay is not the same as toy-1: step 1 differs in its placement" in failed.stderr
    assert "it was 'LOST', it is '" in failed.stderr


@pytest.mark.parametrize("limit", ["--steps", "--evaluations", "--hours"])
def test_a_replay_with_a_limit_is_wrong_usage(evolve, limit):
    failed = evolve("resume", "--replay", limit, 9, expect=2)
    assert f"leave out {limit}" in failed.stderr


def test_a_changed_task_or_world_is_wrong_usage(archive, tamper, evolve, tmp_path):
    shutil.copytree(TOY, tmp_path / "toy")
    evolve("run", "toy", "--steps", 5, *(word for pair in QUICK for word in ("--set", pair)))
    tamper("UPDATE runs SET world = 'python2.7'")
    assert "was begun under python2.7" in evolve("resume", "--replay", expect=2).stderr
    (tmp_path / "toy" / "task.py").write_text("# another grader\n")
    evolve("resume", "--replay", expect=2)
    assert len(archive.runs()) == 1
