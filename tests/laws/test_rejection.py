"""What is not new is not run: near copies of elites, by text and by behaviour, but for a sample."""

import asyncio
import json
import os

import pytest

from archive import queries, views
from archive.records import JUDGE_SEQ, LIKENESS_SEQ, Status
from archive.store import Archive
from evolve import RunLimits, load_task, loop, open_run, rejection, replay_run, resume_run, search
from evolve.build import executor_for, worker_for
from evolve.calls import Calls
from evolve.errors import UsageError
from evolve.messages import FailedCall, Reply, Usage
from evolve.models.scripted import ScriptedModel
from evolve.spending import by_model, settled_calls
from evolve.totals import run_totals

pytestmark = pytest.mark.slow

TOY = "tests/tasks/toy"
SETTINGS = ("grade_ms=0", "pools=1", "probes=1", "search.confirm=0")
TFIDF = "search.embedder=tfidf"
# The service is never called: a model of its name is handed in.
SERVICE = "litellm/hosted_vllm/stub@http://127.0.0.1:9/v1"
CONTRAST = """import numpy as np


def weigh(features, k, rng):
    first = features[:, 0] * {factor} + features[:, 3] * 0.125
    second = features[:, 1] * 0.25 + features[:, 4] * 0.0625
    return np.tanh(first - second)
"""
ELITE = CONTRAST.format(factor=0.5)
STRANGER = """import numpy as np


def weigh(features, k, rng):
    a, b, _, c, d = features.T
    return np.tanh(0.5 * a - b / 4 + (2 * c - d) / {sixteen})
"""
ASKED_TO_JUDGE = "Two programs of a search are written much alike"
NO, YES = "Only a constant moves.\nNOT NOVEL", "It looks elsewhere.\nNOVEL"
STEPS = 20
# Every fifth boundary here, odd so that both sides of a commit are met; `make soak` takes all.
EVERY = 1 if os.environ.get("EVOLVE_SOAK") else 5
JUDGED_IN_ORDER = ("search.judge=scripted", "search.order=step", "search.lookahead=1")


def near_copy(number):
    """Give a program that reads and behaves like the elite, and equals no other."""
    return CONTRAST.format(factor=0.5 + number / 1e4)


def said(program):
    return f"IDEA: a constant.\n```python\n{program}```"


class Author(ScriptedModel):
    """Writes what a function gives for 1, 2, 3, ..., and judges as it is told."""

    def __init__(self, write, verdict=NO):
        super().__init__(self._answer)
        self.write, self.verdict, self.written, self.judged = write, verdict, 0, 0

    def _answer(self, request):
        if request.messages[-1].text.startswith(ASKED_TO_JUDGE):
            self.judged += 1
            return self.verdict
        self.written += 1
        return said(self.write(self.written))


@pytest.fixture
def archive(tmp_path):
    with Archive.open(tmp_path / "evolve.db") as opened:
        yield opened


@pytest.fixture
def never_sampled(monkeypatch):
    monkeypatch.setattr(rejection, "SAMPLE_SHARE", 0.0)


def play(archive, author, *pairs, steps=STEPS, others=(), **limits):
    """Search from one initial program; give the steps that the author wrote, as told."""
    run = open_run(
        load_task(TOY, [*SETTINGS, *pairs]),
        archive=archive,
        limits=RunLimits(steps=steps, **limits),
        operators=["rewrite"],
        initial={"elite": ELITE},
        models=[author.name],
    )
    search(run, workers=2, models=[author, *others])
    return list(queries.told_steps(archive, archive.run().id))[1:]


def counted(archive):
    return rejection.rejections_document(run_totals(archive, archive.run()))


def test_a_near_copy_is_not_run_and_names_the_elite_that_it_is_like(archive, never_sampled):
    steps = play(archive, Author(near_copy), TFIDF)
    first = steps[0]
    assert {step.status for step in steps} == {Status.DUPLICATE}
    assert {step.duplicate_of for step in steps} == {0}
    assert {step.evaluation for step in steps} == {None}
    assert archive.run().gradings == 1
    facts = first.ran["rejected"]
    assert facts == {**facts, "nearest": 0, "judge": None}
    assert facts["similarity"] >= 0.95
    assert 0 < facts["distance"] < 0.05
    assert first.reason == (
        f"rejected as not new: text {facts['similarity']:.2f} like step 0, "
        f"behaviour at {facts['distance']:.2f} of it"
    )
    assert counted(archive)["rejected"] == len(steps)
    assert counted(archive)["rate"] is None


def test_nothing_is_rejected_unless_an_embedder_is_set(archive):
    steps = play(archive, Author(near_copy))
    assert {step.status for step in steps} == {Status.OK}
    assert counted(archive) == {
        **{"rejected": 0, "sampled": 0, "false": 0, "rate": None, "interval": None, "spared": 0}
    }


def test_a_program_that_reads_alike_and_decides_otherwise_is_run(archive, never_sampled):
    steps = play(archive, Author(lambda n: CONTRAST.format(factor=0.5 + n)), TFIDF)
    assert {step.status for step in steps} == {Status.OK}


def test_a_program_that_decides_alike_and_reads_otherwise_is_run(archive, never_sampled):
    steps = play(archive, Author(lambda n: STRANGER.format(sixteen=16 + n / 100)), TFIDF, steps=6)
    assert steps[0].status is Status.OK
    assert steps[0].ran["distance"] < 0.05


@pytest.mark.parametrize(
    ("verdict", "status"), [(NO, Status.DUPLICATE), (YES, Status.OK), ("Hm.", Status.OK)]
)
def test_a_judge_has_a_say_and_in_doubt_the_program_is_run(verdict, status, archive, never_sampled):
    author = Author(near_copy, verdict)
    steps = play(archive, author, TFIDF, "search.judge=scripted")
    assert author.judged > 0
    assert steps[0].status is status
    key = "rejected" if verdict is NO else "spared"
    assert steps[0].ran[key]["judge"] is (verdict is NO)
    assert counted(archive)[key] > 0


def test_of_the_rejected_a_sample_is_run_and_tells_how_often_that_was_wrong(archive, monkeypatch):
    monkeypatch.setattr(rejection, "SAMPLE_SHARE", 0.5)
    steps = play(archive, Author(near_copy), TFIDF, steps=40)
    sampled = [step for step in steps if (step.ran or {}).get("rejected", {}).get("sampled")]
    assert 0 < len(sampled) < len(steps)
    assert {step.status for step in sampled} == {Status.OK}
    taken = [step for step in sampled if step.placement in ("NEW", "IMPROVED")]
    found = counted(archive)
    assert (found["sampled"], found["false"]) == (len(sampled), len(taken))
    assert found["rejected"] == len(steps) - len(sampled)
    assert found["interval"][0] <= found["rate"] <= found["interval"][1]


def test_what_an_archive_knows_changes_no_rejection(archive, never_sampled):
    def outcome():
        author = Author(near_copy)
        steps = play(archive, author, *pairs, TFIDF, "search.order=step", steps=12)
        return [(s.n, s.status, s.duplicate_of, s.behaviour, s.placement) for s in steps]

    pairs = []
    known = play(archive, Author(near_copy), "search.order=step", steps=12)
    assert {step.status for step in known} == {Status.OK}
    first = outcome()
    assert Status.DUPLICATE in {status for _, status, *_ in first}
    assert outcome() == first


def test_a_replay_rejects_and_spares_the_same_without_a_call(archive):
    def write(n):
        return near_copy(n) if n % 3 else CONTRAST.format(factor=0.5 + n)

    author = Author(write)
    author.verdict = NO
    play(archive, author, TFIDF, "search.judge=scripted", steps=40)
    assert counted(archive)["rejected"] > 0
    calls, found = author.calls, counted(archive)
    assert search(replay_run(archive.run(), archive=archive), workers=2) == "steps"
    assert (author.calls, counted(archive)) == (calls, found)


def test_what_a_judge_and_a_service_cost_is_journaled_and_bounded(archive, never_sampled):
    service = ScriptedModel(
        lambda request: Reply(json.dumps([0, 0.99]), usage=Usage(100, 0)), name=SERVICE
    )
    author = Author(near_copy, Reply(NO, usage=Usage(700, 50)))
    pairs = [f"search.embedder={SERVICE}", "search.judge=scripted", "model.price=1,2"]
    pytest.importorskip("litellm")
    steps = play(archive, author, *pairs, others=[service], tokens=60_000)
    assert steps[0].status is Status.DUPLICATE
    answers = queries.answers(archive, archive.run().id, 1)
    assert {answer.seq for answer in answers} >= {0, LIKENESS_SEQ, JUDGE_SEQ}
    run = archive.run()
    assert run.tokens == 100 * service.calls + 750 * author.judged <= 60_000
    assert run.usd == pytest.approx((service.calls * 100 + author.judged * 800) / 1e6)
    spent = by_model(settled_calls(archive, run), run)
    assert spent[SERVICE]["calls"] == service.calls
    assert spent["scripted"]["calls"] == author.calls
    assert steps[0].tokens == 0  # of its operator; a review is the run's
    assert {"judge", "embedder"} <= {call.operator for call in views.calls(archive, run.id)}
    assert search(replay_run(run, archive=archive), workers=2) == "steps"


def test_a_service_that_gives_no_answer_rejects_nothing(archive, never_sampled):
    pytest.importorskip("litellm")

    def fails(request):
        raise FailedCall("filtered", "not today")

    service = ScriptedModel(fails, name=SERVICE)
    steps = play(archive, Author(near_copy), f"search.embedder={SERVICE}", others=[service])
    assert {step.status for step in steps} == {Status.OK}


@pytest.mark.parametrize(
    ("pairs", "reason"),
    [
        ([TFIDF, "search.judge=openai/other"], "one of the run's models; there are scripted"),
        (["search.embedder=word2vec"], "say tfidf"),
    ],
)
def test_a_setting_that_cannot_be_kept_is_refused_before_a_run_begins(pairs, reason, archive):
    with pytest.raises(UsageError, match=reason):
        play(archive, Author(near_copy), *pairs)
    assert archive.runs() == []


class Died(Exception):
    """What a process that was killed can do no more: write."""


class Death:
    """Comes just before or just after a commit of the archive, and lets nothing be written then."""

    def __init__(self):
        self.at, self.count = None, 0

    def __call__(self, moment, name):
        self.count += 1
        if self.at is not None and self.count > self.at:
            raise Died


def judged_run(archive):
    """Begin a short search whose author can judge, or open it again."""
    if archive.runs():
        return resume_run(archive.run(), archive=archive)
    return open_run(
        load_task(TOY, [*SETTINGS, TFIDF, *JUDGED_IN_ORDER]),
        archive=archive,
        limits=RunLimits(steps=4),
        operators=["rewrite"],
        initial={"elite": ELITE},
        models=["scripted"],
    )


async def search_until(place, at, slots):
    """Search on some slots until the end, or until a commit; give how many there were, twice."""

    def answer(request):
        if request.messages[-1].text.startswith(ASKED_TO_JUDGE):
            return NO
        return said(near_copy(1 + len(str(request.plain())) % 97))

    death = Death()
    with Archive.open(place, on_commit=death) as archive:
        run = judged_run(archive)
        try:
            death.at, death.count = at, 0  # while a run is opened others kill it
            calls = Calls([ScriptedModel(answer)], run.model_settings)
            worker = worker_for(run, slots, calls)
            assert await loop.search(run, worker, asyncio.Event(), lambda step: None) == "steps"
        finally:
            run.journal.close()
    return death.count


def test_killed_at_any_commit_a_judged_run_ends_as_an_undisturbed_one(
    tmp_path, outcome, never_sampled
):
    async def killed_everywhere():
        with Archive.open(tmp_path / "first.db") as archive:
            run = judged_run(archive)
            slots = executor_for(run, workers=1)
            run.journal.close()
        async with slots:
            boundaries = await search_until(tmp_path / "whole.db", None, slots)
            expected = outcome(tmp_path / "whole.db")
            for boundary in range(0, boundaries, EVERY):
                place = tmp_path / f"{boundary}.db"
                with pytest.raises(Died):
                    await search_until(place, boundary, slots)
                await search_until(place, None, slots)
                assert outcome(place) == expected, f"boundary {boundary}"

    asyncio.run(killed_everywhere())
    with Archive.open(tmp_path / "whole.db", create=False) as archive:
        assert counted(archive)["rejected"] > 0
