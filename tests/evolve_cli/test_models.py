"""What a person sees of language models: money, arms, ideas, prompts; and how they are asked for."""

import io
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from rich.console import Console
from server import TalkServer

from archive.records import Answer
from archive.store import Archive
from evolve import RunLimits, load_task, open_run, replay_run, resume_run, search
from evolve.credit import mean_chances
from evolve.documents import status_document
from evolve.messages import FailedCall, Reply, Usage
from evolve.models.scripted import ScriptedModel
from evolve.program_view import prompt_view
from evolve.selection import terms_of
from evolve.status_view import status_table

TOY = Path(__file__).resolve().parents[1] / "tasks/toy"
QUICK = ("grade_ms=0", "pools=2", "probes=1")
STEPS = 20
# A model whose price is told with the run, and one whose price nobody knows.
PRICED, UNPRICED = "anthropic/priced", "openai/unpriced"
PRICE = f"model.price={PRICED}=3,15"
KEY = "canary-key-of-a-test-0123456789"


def program(number):
    """Answer with a program like no other, and an idea that would paint a terminal red."""
    body = f"return features[:, {number % 5}] * {number}.5 + features[:, 1]"
    idea = f"IDEA: weigh feature {number % 5} \x1b[31m{number}.5 times"
    return f"{idea}\n```python\ndef weigh(features, k, rng):\n    {body}\n```"


def troubled(name, usage=None):
    """Make a model that mostly answers; now and then too little, or nobody knows."""
    usage = usage or Usage(1000, 200, cached=800)

    def answer(request):
        if model.calls % 5 == 2:
            raise FailedCall("truncated", "it ends after 12 tokens", usage=Usage(100, 12))
        if model.calls % 7 == 3:
            raise FailedCall("malformed", "the stream was cut", maybe_billed=True)
        return Reply(program(model.calls), usage=usage)

    model = ScriptedModel(answer, name)
    return model


@pytest.fixture(scope="module")
def asked_once(tmp_path_factory):
    """Make a folder whose archive holds a finished run with two models, and its replay."""
    folder = tmp_path_factory.mktemp("asked")
    models = [troubled(PRICED), troubled(UNPRICED)]
    with Archive.open(folder / "evolve.db") as archive:
        run = open_run(
            load_task(TOY, [*QUICK, PRICE]),
            archive=archive,
            models=[model.name for model in models],
            operators=["rewrite", "tune", "crossover"],
            limits=RunLimits(steps=STEPS),
        )
        search(run, workers=2, models=models)
        search(replay_run(archive.run("toy-1"), archive=archive), workers=2)
    return folder


@pytest.fixture
def asked(asked_once, looking, monkeypatch, tmp_path):
    """Give the command line beside a copy of that archive."""
    shutil.copy(asked_once / "evolve.db", tmp_path / "evolve.db")
    monkeypatch.chdir(tmp_path)
    return looking


@pytest.fixture
def alone(looking, monkeypatch, tmp_path):
    """Give the command line in an empty folder, with a key."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    return looking


def written_by_model():
    """Give the programs of toy-1 that a model wrote, the ones with most calls first."""
    question = (
        "SELECT s.program FROM steps s JOIN answers a ON a.run = s.run AND a.n = s.n"
        " WHERE a.kind = 'model' AND s.program IS NOT NULL AND s.idea IS NOT NULL"
        " AND s.run = 1 GROUP BY s.n ORDER BY count(*) DESC, s.n"
    )
    with closing(sqlite3.connect("evolve.db")) as connection:
        return [row[0] for row in connection.execute(question)]


def test_status_tells_every_dollar_by_model_and_by_operator(asked):
    status = asked.json("status", "toy-1")
    models, operators = status["models"], status["operators"]
    assert list(models) == [PRICED, UNPRICED]
    for table in (models, operators):
        assert sum(row["usd"] for row in table.values()) == pytest.approx(status["usd"])
        assert sum(row["tokens"] for row in table.values()) == status["tokens"]
    assert sum(row["calls"] for row in models.values()) > STEPS / 3
    assert all(row["failed"] > 0 for row in models.values())
    assert 0 < models[PRICED]["usd_unsettled"] < models[PRICED]["usd"]
    assert status["usd_unsettled"] == models[PRICED]["usd_unsettled"]
    assert status["tokens_unsettled"] == sum(row["tokens_unsettled"] for row in models.values())
    assert 0 < status["tokens_unsettled"] < status["tokens"]
    assert (models[PRICED]["unpriced"], models[UNPRICED]["usd"]) == (0, 0.0)
    assert models[UNPRICED]["unpriced"] > 0
    assert operators["tune"]["usd"] == operators["tune"]["tokens"] == 0


def test_a_price_that_nobody_knows_is_shown_as_unknown(asked):
    lines = asked("status", "toy-1").stdout.splitlines()
    (spent,) = [line for line in lines if line.startswith("spent")]
    assert "+ ?" in spent
    (row,) = [line for line in lines if line.startswith(UNPRICED)]
    assert "unknown" in row
    assert any(line.startswith("unsettled") for line in lines)


def test_the_arms_share_what_the_run_would_ask_next(asked):
    arms = asked.json("status", "toy-1")["arms"]
    assert [(arm["operator"], arm["model"]) for arm in arms] == [
        ("crossover", PRICED), ("crossover", UNPRICED),
        ("rewrite", PRICED), ("rewrite", UNPRICED), ("tune", None),
    ]  # fmt: skip
    assert sum(arm["steps"] for arm in arms) == STEPS - 4
    with Archive.open("evolve.db") as archive:
        run = resume_run(archive.run("toy-1"), archive=archive)
        terms = terms_of(run.means, sorted(run.operators))
        chances = mean_chances(run.state.credit, terms)
        run.close("steps")
    assert [arm["share"] for arm in arms] == pytest.approx(list(chances))


def test_a_replay_shows_no_spend(asked):
    status = asked.json("status", "toy-1-replay")
    assert (status["usd"], status["tokens"], status["usd_unsettled"]) == (0.0, 0, 0.0)
    assert status["models"] == {}
    assert all(row["usd"] == row["tokens"] == 0 for row in status["operators"].values())
    assert all(arm["usd"] == 0.0 for arm in status["arms"])
    text = asked("status", "toy-1-replay").stdout
    assert "$" not in text
    assert "spent" not in text


def test_a_run_without_models_shows_nothing_new(looking):
    status = looking.json("status", "toy-1")
    assert (status["models"], status["arms"], status["usd_unsettled"]) == ({}, [], 0.0)
    text = looking("status", "toy-1").stdout
    assert not {"spent", "model", "share", "dollars"} & set(text.split())


def test_a_call_that_a_kill_cut_off_is_unsettled_before_and_after_the_run_is_opened(archive_url):
    with Archive.open(archive_url) as archive:
        run = open_run(
            load_task(TOY, [*QUICK, PRICE]), archive=archive, models=[PRICED], operators=["rewrite"]
        )
        search_step = run.ask()
        request = {"model": PRICED, "messages": [], "max_tokens": 16}
        run.journal.send(
            Answer(
                *(search_step.n, 0, "model", "digest", request, "sent"),
                reserved_usd=0.5,
                reserved_tokens=1600,
            )
        )
        run.close("interrupted")
        for _ in range(2):  # before and after the run is opened again
            status = status_document(archive, archive.run())
            assert status["usd_unsettled"] == 0.5
            assert status["tokens_unsettled"] == 1600
            # What is unsettled is a part of what is spent.
            assert (status["usd"], status["tokens"]) == (0.5, 1600)
            console = Console(file=io.StringIO(), width=120)
            console.print(status_table(status))
            assert "up to $0.5000 and 1,600 tokens of calls" in console.file.getvalue()
            resume_run(archive.run(), archive=archive).close("interrupted")


def test_ideas_are_shown_with_their_programs_and_lines(asked):
    name = written_by_model()[0]
    shown = asked.json("show", name)
    assert shown["idea"].startswith("weigh feature")
    assert shown["ancestry"][-1]["idea"] == shown["idea"] == asked.json("lineage", name)[-1]["idea"]
    assert all("idea" in elite for elite in asked.json("elites", "toy-1"))
    for command in ("show", "lineage"):
        said = asked(command, name).stdout
        assert "weigh feature" in said
        # What a model says commands no terminal.
        assert "\x1b" not in said


def test_scores_are_grouped_as_the_task_groups_them(asked):
    name = written_by_model()[0]
    shown = asked.json("show", name)
    assert shown["subgroups"] == {
        "size": {
            "even": {"instances": 1, "score": shown["scores"]["train-0-0"]},
            "odd": {"instances": 1, "score": shown["scores"]["train-0-1"]},
        }
    }
    assert "size  instances  mean score" in asked("show", name).stdout


def test_an_archive_that_does_not_know_the_groups_is_shown_all_the_same(asked):
    with closing(sqlite3.connect("evolve.db")) as connection, connection:
        connection.execute("DELETE FROM blocks")
    name = written_by_model()[0]
    assert asked.json("show", name)["subgroups"] is None
    assert "mean score" not in asked("show", name).stdout


def test_the_prompt_shows_every_attempt_with_what_it_cost(asked):
    name = written_by_model()[0]
    attempts = asked.json("show", name, "--prompt")["prompt"]
    assert len(attempts) > 1
    keys = {"seq", "state", "model", "messages", "text", "reason", "usage", "usd", "tokens"}
    assert all(attempt.keys() >= keys for attempt in attempts)
    assert attempts[-1]["state"] == "received"
    assert "def weigh" in attempts[-1]["text"]
    assert attempts[-1]["usage"]["input"] == 1000
    assert {attempt["state"] for attempt in attempts[:-1]} == {"failed"}
    said = asked("show", name, "--prompt").stdout
    assert f"call 1 of {len(attempts)}" in said
    assert attempts[0]["reason"] in said
    assert "1,000 tokens in, 200 out, 800 cached" in said
    assert "\x1b" not in said
    # Whole, and once, though every attempt sent it.
    brief = attempts[0]["messages"][0]["text"]
    assert said.count(brief.strip()) == 1


def test_a_program_that_no_model_wrote_has_no_prompt(asked):
    with closing(sqlite3.connect("evolve.db")) as connection:
        tuned = "SELECT program FROM steps WHERE operator = 'tune' AND program IS NOT NULL"
        by_tune = connection.execute(tuned).fetchone()[0]
        first = connection.execute("SELECT program FROM steps WHERE n = 0").fetchone()[0]
    assert "was written by tune" in asked("show", by_tune, "--prompt", expect=2).stderr
    assert "is an initial program" in asked("show", first, "--prompt", expect=2).stderr


def test_a_call_that_nobody_knows_of_is_shown_without_an_answer():
    message = {"role": "user", "text": "write", "calls": []}
    call = {"model": PRICED, "messages": [message], "max_tokens": 16, "text": None, "calls": []}
    cut = call | {"state": "failed", "fault": None, "reason": "cut off", "usage": None}
    program = {"program": "ab", "operator": "rewrite", "step": 7, "run": "toy-1"}
    program["prompt"] = [
        cut | {"usd": 0.25, "tokens": 99},
        cut | {"state": "sent", "reason": None, "usd": None, "tokens": None},
    ]
    console = Console(file=io.StringIO(), width=80)
    console.print(prompt_view(program))
    said = console.file.getvalue()
    assert "no answer: cut off" in said
    assert "$0.2500, 99 tokens" in said
    assert "under way, or cut off" in said


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--model", "openai/a@http://127.0.0.1:9/v1"] * 2, "told twice"),
        (["--model", "scripted/one"], "search it from Python"),
        (["--model", "claude"], "say anthropic/NAME"),
        (["--model", "anthropic/claude-sonnet-5"], "set ANTHROPIC_API_KEY"),
        (["--model", "anthropic/claude-sonnet-5", "--operators", "tune"], "none of --operators"),
        (["--usd", "5"], "none is asked (--model)"),
        (["--tokens", "500"], "none is asked (--model)"),
        (["--model", "openai/a@http://127.0.0.1:9/v1", "--usd", "5"], "nobody knows what"),
        (["--operators", "rewrite"], "needs a language model (--model)"),
        (["--model", "openai/a@http://127.0.0.1:9/v1", "--usd", "0"], "a limit is a number above"),
    ],
)
def test_what_cannot_be_asked_makes_no_run(looking, monkeypatch, arguments, says):
    for variable in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "OPENAI_API_KEY"):
        monkeypatch.delenv(variable, raising=False)
    assert says in looking("run", TOY, *arguments, expect=2).stderr
    assert len(looking.json("runs")) == 1


def test_bounds_of_a_resume_are_more_than_what_was_spent_and_need_a_model(asked):
    assert "are spent already" in asked("resume", "toy-1", "--usd", "0.001", expect=2).stderr
    assert "tokens are used already" in asked("resume", "toy-1", "--tokens", "7", expect=2).stderr
    said = asked("resume", "toy-1", "--replay", "--usd", "5", expect=2).stderr
    assert "leave out --usd" in said
    assert "none is asked" in asked("resume", "toy-1-replay", "--usd", "5", expect=2).stderr


def test_a_run_asks_a_server_until_its_dollars_are_spent_and_goes_on_with_more(alone):
    numbers = iter(range(10_000))
    with TalkServer(lambda heard: program(next(numbers))) as server:
        model = f"openai/stub@{server.url}/v1"
        settings = [*QUICK, "model.price=10,10", "model.max_tokens=500", "model.concurrency=2"]
        pairs = [part for pair in settings for part in ("--set", pair)]
        ended = alone(
            "run", TOY, "--model", model, "--operators", "rewrite", "--usd", "0.3", *pairs
        )
        status = alone.json("status")
        assert status["stop_reason"] == "usd"
        assert 0 < status["usd"] <= 0.3
        assert "ended within its bound: this call could bring the run to 0.3" in ended.stdout
        assert "evolve resume toy-1 --usd 0.6" in ended.stdout
        assert "$0." in ended.stdout
        steps = status["steps"] + 2
        longer = alone.json("resume", "--usd", "3", "--steps", steps)
        assert (longer["steps"], longer["stop_reason"]) == (steps, "steps")
        bill = server.bill
    assert longer["tokens"] == bill.input + bill.output
    assert longer["usd"] == pytest.approx((bill.input + bill.output) * 10 / 1e6)
    assert list(longer["models"]) == [model]
    assert KEY not in ended.stdout + ended.stderr


def test_a_model_that_refuses_ends_with_1_and_all_is_kept(alone):
    with TalkServer(faults=lambda heard: "unauthorized_401") as server:
        failed = alone(
            "run", TOY, "--model", f"openai/stub@{server.url}/v1", "--steps", 8, "--set",
            "grade_ms=0", expect=1,
        )  # fmt: skip
    assert "refuses to answer" in failed.stderr
    assert "`evolve resume toy-1` goes on" in failed.stderr
    assert KEY not in failed.stdout + failed.stderr
    listed, status = alone.json("runs")[0], alone.json("status")
    assert (listed["state"], status["state"]) == ("failed", "failed")
    assert listed["failure"] == status["failure"]
    assert listed["failure"] in failed.stderr
    assert "toy-1 failed: openai/stub" in alone("runs").stdout
    assert "refuses to answer" in alone("status").stdout
