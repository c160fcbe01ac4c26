"""Searches with a language model, over real HTTP, where the service fails and processes are killed."""

import json
import random
import signal
import subprocess
import sys
import urllib.request
from collections import Counter

import pytest
import server
from server import TalkServer, by_digest, drawn

from archive import queries, views
from archive.records import Kind, Status
from archive.store import Archive
from evolve import RunLimits, load_task, open_run, replay_run, resume_run, search
from evolve import calls as calling
from evolve.errors import WorldError
from evolve.messages import FailedCall
from evolve.models.keys import Keys
from evolve.models.names import model_named
from evolve.models.recorded import RecordedModel
from evolve.models.scripted import ScriptedModel

pytestmark = pytest.mark.slow

TOY = "tests/tasks/toy"
QUICK = ("grade_ms=0", "pools=1", "probes=1")
PRICE = "model.price=3,15"  # dollars for a million tokens
CANARY = "sk-canary-0123456789abcdefghijklmnopqrstuvwxyz"
ASKING = ["diff", "rewrite", "ideate", "crossover", "repair"]
WIRES = {
    "chat": ("openai/stub@{url}/v1", "chat"),
    "responses": ("openai/stub@{url}/v1", "responses"),
    "messages": ("anthropic/stub@{url}", None),
}


def weigh(body):
    return f"def weigh(features, k, rng):\n    return {body}\n"


def whole(column, factor):
    program = weigh(f"features[:, {column}] * {factor} + features[:, 1]")
    return f"IDEA: column {column} times {factor}.\n```python\n{program}```"


ANSWERS = [whole(n % 5, n / 7) for n in range(1, 60)] + [
    "IDEA: none.\nI would rather not write code today.",
    "IDEA: broken.\n```python\ndef weigh(features, k, rng):\n    return features[:, 99]\n```",
    "IDEA: endless.\n```python\nimport os\ndef weigh(features, k, rng):\n    return 1\n```",
]


def luck_of(answers):
    """Answer by chance, equal for each test."""
    luck = random.Random(7)
    return lambda heard: luck.choice(answers)


@pytest.fixture
def archive(tmp_path):
    with Archive.open(tmp_path / "evolve.db") as opened:
        yield opened


@pytest.fixture
def soon(monkeypatch):
    """Make the waits before retries short."""
    monkeypatch.setattr(calling, "FIRST_WAIT_S", 0.01)
    monkeypatch.setattr(calling, "FIRST_BREAK_S", 0.01)


@pytest.fixture
def service(tmp_path):
    """Start the service as a process that outlives the runs it serves."""
    answers = tmp_path / "answers.json"
    answers.write_text(json.dumps(ANSWERS))
    started = []

    def start(*options):
        process = subprocess.Popen(
            [sys.executable, server.__file__, "--answers", str(answers), *map(str, options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process.stdout.readline().strip()

    yield start
    for process in started:
        process.communicate(timeout=600)


def ask_the_service(archive, url, *pairs, wire="chat", steps=40, **options):
    """Search with a model behind a URL; give the reason of the end and the run."""
    name, api = WIRES[wire]
    name = name.format(url=url)
    task = load_task(TOY, [*QUICK, PRICE, *pairs])
    run = open_run(
        task,
        archive=archive,
        limits=RunLimits(**{"steps": steps, **options}),
        operators=ASKING,
        models=[name],
    )
    keys = Keys({"OPENAI_API_KEY": CANARY, "ANTHROPIC_API_KEY": CANARY})
    reason = search(run, workers=2, models=[model_named(name, keys=keys, api=api)])
    return reason, archive.run()


def dollars(bill):
    return (3 * bill["input"] + 15 * bill["output"]) / 1e6


def spent(archive, run):
    """Give what a run counts: dollars of known bills, and those at their reserves."""
    rows = views.calls(archive, run.id)
    known = sum(row.usd for row in rows if not row.unsettled)
    unsettled = sum(row.usd for row in rows if row.unsettled)
    assert run.usd == pytest.approx(known + unsettled)
    return known, unsettled


@pytest.mark.parametrize(("wire", "steps"), [("chat", 200), ("responses", 50), ("messages", 50)])
def test_with_a_third_of_all_calls_in_trouble_every_step_is_told_and_the_money_is_exact(
    wire, steps, archive, soon, tmp_path
):
    with TalkServer(luck_of(ANSWERS), drawn(0.3, rng_seed=3)) as service:
        reason, run = ask_the_service(archive, service.url, wire=wire, steps=steps)
        assert (reason, run.told) == ("steps", steps)
        told = list(queries.told_steps(archive, run.id))
        assert [step.told_seq for step in told] == list(range(steps))
        known, _ = spent(archive, run)
        assert sum(service.bill.troubles.values()) > service.bill.troubles["none"]
        assert known == pytest.approx(dollars(vars(service.bill)), rel=1e-9)
    assert {step.idea for step in told if step.program} - {None, ""}
    for file in tmp_path.glob("evolve.db*"):
        assert CANARY.encode() not in file.read_bytes()


def test_twenty_programs_are_graded_twenty_times_however_often_they_are_written(archive):
    with TalkServer(luck_of(ANSWERS[:20])) as service:
        _, run = ask_the_service(archive, service.url, steps=200)
    assert run.told == 200
    initial = len(run.settings["initial"])
    counts = queries.counts(archive, run.id)
    assert counts.digests <= initial + 20
    # Each once for the search; what was confirmed, once more on every fresh block.
    most_compared = 4 * counts.by_kind.get(Kind.CONFIRM, 0)
    assert run.gradings <= counts.digests + most_compared
    duplicates = [s for s in queries.told_steps(archive, run.id) if s.status is Status.DUPLICATE]
    assert len(duplicates) > 100


def test_a_slow_model_costs_no_good_candidate_its_time(archive):
    # The limit on a candidate's seconds is shorter than the model takes to write it.
    latency_s = load_task(TOY).spec.limits.cpu_s + 1
    with TalkServer(luck_of(ANSWERS[:59]), latency=lambda heard: latency_s) as service:
        _, run = ask_the_service(archive, service.url, steps=16)
    statuses = {step.status for step in queries.told_steps(archive, run.id)}
    assert Status.TIMEOUT not in statuses
    assert statuses <= {Status.OK, Status.DUPLICATE}


def test_a_bound_on_dollars_is_never_passed_and_a_higher_one_goes_on(archive):
    bound = 0.35  # one call's worst case is a quarter of a dollar
    with TalkServer(luck_of(ANSWERS[:59])) as service:
        reason, run = ask_the_service(archive, service.url, steps=400, usd=bound)
        assert reason == "usd"
        assert 0 < run.usd <= bound
        assert run.usd == pytest.approx(dollars(vars(service.bill)))
        told = run.told
        models = [model_named(run.settings["models"][0], keys=Keys())]
        again = resume_run(run, archive=archive, limits=RunLimits(steps=400, usd=run.usd + bound))
        assert search(again, workers=2, models=models) == "usd"
        assert archive.run().told > told
        assert archive.run().usd == pytest.approx(dollars(vars(service.bill)))


def test_a_bound_on_tokens_ends_a_run_before_it_is_passed(archive):
    with TalkServer(luck_of(ANSWERS[:59])) as service:
        reason, run = ask_the_service(archive, service.url, steps=400, tokens=80_000)
        assert reason == "tokens"
        assert run.tokens == service.bill.input + service.bill.output <= 80_000


def test_a_replay_repeats_a_run_with_a_model_without_a_call(archive, soon):
    with TalkServer(luck_of(ANSWERS), drawn(0.2, rng_seed=5)) as service:
        ask_the_service(archive, service.url, steps=60)
    assert search(replay_run(archive.run(), archive=archive), workers=2) == "steps"
    assert archive.run().name == "toy-1-replay"
    assert archive.run().usd == 0.0


def test_what_was_paid_once_is_said_again_for_nothing(archive, tmp_path):
    pairs, steps = ["search.order=step"], 40
    with TalkServer(by_digest(ANSWERS)) as service:
        ask_the_service(archive, service.url, *pairs, steps=steps)
    paid = archive.run()
    (name,) = paid.settings["models"]
    with Archive.open(tmp_path / "again.db") as another:
        run = open_run(
            load_task(TOY, [*QUICK, PRICE, *pairs]),
            archive=another,
            limits=RunLimits(steps=steps),
            operators=ASKING,
            models=[name],
        )
        search(run, workers=1, models=[RecordedModel(archive, paid, name)])
        assert queries.elites(another, 1) == queries.elites(archive, paid.id)
        assert another.run().usd == pytest.approx(paid.usd)  # what it would have cost


def test_two_models_make_an_ensemble_and_each_has_arms_of_its_own(archive):
    class Fails(ScriptedModel):
        async def complete(self, request, timeout_s):
            raise FailedCall("filtered", "not today")

    luck = random.Random(3)
    good = ScriptedModel(lambda request: luck.choice(ANSWERS[:59]), name="scripted/good")
    bad = Fails([], name="scripted/bad")
    run = open_run(
        load_task(TOY, QUICK),
        archive=archive,
        limits=RunLimits(steps=120),
        operators=["rewrite", "ideate"],
        models=[good.name, bad.name],
    )
    search(run, workers=2, models=[good, bad])
    asked = Counter(step.model for step in queries.told_steps(archive, 1) if step.model)
    assert asked[good.name] > asked[bad.name] > 0
    failed = [s for s in queries.told_steps(archive, 1) if s.model == bad.name]
    assert {(s.status, s.reason) for s in failed} == {(Status.UNWRITTEN, "scripted/bad: not today")}


def test_a_model_that_refuses_stops_the_run_and_the_step_is_asked_again_later(archive):
    refusing = TalkServer(luck_of(ANSWERS[:59]), ["unauthorized_401"] * 99)
    with refusing as service, pytest.raises(WorldError, match=r"refuses to answer: .*401"):
        ask_the_service(archive, service.url, steps=12)
    stopped = archive.run()
    assert stopped.told == len(stopped.settings["initial"])
    assert stopped.stop_reason == "failed"
    with TalkServer(luck_of(ANSWERS[:59]), port=int(service.url.rpartition(":")[2])) as service:
        models = [model_named(stopped.settings["models"][0], keys=Keys())]
        assert search(resume_run(stopped, archive=archive), models=models) == "steps"
    statuses = {step.status for step in queries.told_steps(archive, stopped.id)}
    assert Status.UNWRITTEN not in statuses


@pytest.mark.parametrize("operators", [["diff"], ["crossover"], ["diff", "repair"]])
def test_operators_that_ask_for_good_parents_alone_come_to_the_end(operators, archive):
    luck = random.Random(5)
    model = ScriptedModel(lambda request: luck.choice(ANSWERS[:59]))
    run = open_run(
        load_task(TOY, QUICK),
        archive=archive,
        limits=RunLimits(steps=60),
        operators=operators,
        models=[model.name],
    )
    assert search(run, workers=2, models=[model]) == "steps"


def test_odd_characters_of_a_model_harm_no_resume_and_no_later_prompt(archive):
    luck = random.Random(5)
    odd = [text.replace("times", "times\0\ud800") for text in ANSWERS[:59]]
    model = ScriptedModel(lambda request: luck.choice(odd))
    run = open_run(
        load_task(TOY, QUICK),
        archive=archive,
        limits=RunLimits(steps=30),
        operators=["rewrite", "ideate"],
        models=[model.name],
    )
    search(run, workers=2, models=[model])
    told = list(queries.told_steps(archive, 1))
    assert Status.UNWRITTEN not in {step.status for step in told}
    assert search(replay_run(archive.run(), archive=archive)) == "steps"


def test_what_an_archive_knows_changes_nothing_in_a_run_in_step_order(archive):
    pairs = ["search.order=step"]
    with TalkServer(by_digest(ANSWERS)) as service:
        for _ in range(2):
            ask_the_service(archive, service.url, *pairs, steps=40)
    first, second = (
        [(s.n, s.source, s.behaviour, s.status, s.cell) for s in queries.told_steps(archive, run)]
        for run in (1, 2)
    )
    assert first == second
    assert archive.run("toy-2").gradings == 0


def test_killed_again_and_again_the_bill_lies_between_what_is_known_and_the_reserves(
    archive, service, forked_toy_run, tmp_path
):
    url = service("--faults", 0.2, "--latency", 0.05)
    place, luck = tmp_path / "killed.db", random.Random("kills")
    options = ("--model", f"openai/stub@{url}/v1", "--operators", ",".join(ASKING))
    options += ("--set", PRICE, "--steps", 40)
    for _ in range(5):
        killed = forked_toy_run(place, *options, "--resume", "--die-at", luck.randrange(20, 70))
        assert killed.returncode == -signal.SIGKILL, killed.stderr
    last = forked_toy_run(place, *options, "--resume")
    assert last.returncode == 0, last.stderr
    bill = json.load(urllib.request.urlopen(f"{url}/bill", timeout=600))
    with Archive.open(place, create=False) as killed:
        run = killed.run()
        assert run.told == 40
        known, unsettled = spent(killed, run)
        assert known <= dollars(bill) + 1e-12
        assert dollars(bill) <= known + unsettled


def test_killed_ten_times_in_step_order_a_run_ends_as_an_undisturbed_one(
    service, forked_toy_run, toy_run, outcome, tmp_path
):
    url = service()
    options = ("--model", f"openai/stub@{url}/v1", "--operators", ",".join([*ASKING, "tune"]))
    options += ("--set", PRICE, "--set", "search.order=step", "--steps", 30)
    undisturbed = toy_run(tmp_path / "whole.db", *options)
    assert undisturbed.returncode == 0, undisturbed.stderr
    luck = random.Random("ten")
    for _ in range(10):
        die_at = luck.randrange(12, 30)
        killed = forked_toy_run(tmp_path / "killed.db", *options, "--resume", "--die-at", die_at)
        assert killed.returncode == -signal.SIGKILL, killed.stderr
    last = forked_toy_run(tmp_path / "killed.db", *options, "--resume")
    assert last.returncode == 0, last.stderr
    assert outcome(tmp_path / "killed.db") == outcome(tmp_path / "whole.db")
