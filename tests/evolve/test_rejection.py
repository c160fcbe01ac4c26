"""What a review asks and keeps, and what a rejected program is to those that come after it."""

import asyncio
from random import Random

import numpy as np
import pytest
from drawn_run import DrawnRun
from hypothesis import given
from hypothesis import strategies as st

from archive.records import Evaluation, Kind, Status, Step
from evolve import neighbours
from evolve.config import SearchSettings
from evolve.embedding import embedder_named
from evolve.executor import Probed
from evolve.grid import Grid
from evolve.likeness import Likeness, LikenessModel, likeness_request, likeness_said
from evolve.models.keys import Keys
from evolve.novelty import NEAR, Alike
from evolve.rejection import Review
from evolve.spec import Measure
from evolve.state import State
from evolve.statistics import Grouping
from evolve.telling import tell
from evolve.view import view

ONE = "def f(x):\n    return x + 1\n"
LIKE_ONE = "def f(x):\n    return x + 2\n"
OTHER = "def f(items):\n    return sorted(items)[::-1]\n"
REJECTION = {"nearest": 0, "similarity": 0.97, "distance": 0.01, "judge": None}


class Counting:
    """An embedder that tells what it was asked for."""

    name = "tfidf"

    def __init__(self):
        self.asked, self._embedder = [], embedder_named("tfidf", keys=Keys())

    async def embed(self, texts, timeout_s=60.0):
        self.asked += texts
        return await self._embedder.embed(texts)

    async def close(self):
        self.closed = True


def test_the_text_most_alike_is_found_and_each_is_embedded_once():
    embedder = Counting()
    likeness = Likeness(embedder)

    async def twice():
        first = await likeness.compare(LIKE_ONE, [OTHER, ONE])
        again = await likeness.compare(ONE, [OTHER, LIKE_ONE, ONE])
        return first.alike, again.alike

    first, again = asyncio.run(twice())
    assert first.row == 1
    assert 0.5 < first.similarity < 1.0
    assert again == Alike(2, 1.0)
    assert sorted(embedder.asked) == sorted([ONE, LIKE_ONE, OTHER])


def test_a_service_answers_like_a_model_and_closes_with_it():
    embedder = Counting()
    model = LikenessModel(Likeness(embedder))
    reply = asyncio.run(model.complete(likeness_request(LIKE_ONE, [OTHER, ONE]), 60.0))
    found = likeness_said(reply.text, 2)
    assert found.row == 1
    assert reply.usage.total == 0
    asyncio.run(model.close())
    assert embedder.closed


@pytest.mark.parametrize(
    "answer", ["", "nothing", "[2, 0.9]", "[-1, 0.9]", "[1]", "{}", "[null, 1]"]
)
def test_what_a_service_should_not_say_is_no_answer(answer):
    assert likeness_said(answer, 2) is None


def test_a_judge_that_calls_a_program_new_spares_it_and_a_sample_is_run():
    found = Review(nearest=7, similarity=0.974, distance=0.0123, judge=None, sampled=False)
    assert found.is_rejected
    assert found.reason == "rejected as not new: text 0.97 like step 7, behaviour at 0.01 of it"
    spared = Review(7, 0.974, 0.0123, judge=False, sampled=False)
    assert not spared.is_rejected
    assert spared.facts()["spared"]["judge"] is False
    sampled = Review(7, 0.974, 0.0123, judge=True, sampled=True)
    assert not sampled.is_rejected
    assert sampled.facts()["rejected"]["sampled"] is True


def test_a_judge_without_an_embedder_is_refused():
    with pytest.raises(ValueError, match=r"set search\.embedder"):
        SearchSettings(judge="scripted")


def told_so_far(*rows):
    """Tell steps from nothing: (step, fitness or None); give the state and the told steps."""
    measures = (Measure(name="a", range=(0, 1), bins=4), Measure(name="b", range=(0, 1), bins=4))
    state, told = State(Grid(measures, 3)), []
    for step, fitness in rows:
        verdict = tell(state, step, evaluation(step, fitness), nodes=9)
        state = verdict.state
        told.append(verdict.step)
    return state, told


def evaluation(step, fitness):
    if fitness is None:
        return None
    return Evaluation(
        *("task", "world", "train", 0, step.program, Status.OK),
        outputs_digest=step.outputs_digest,
        fitness=fitness,
        n=1,
        scores={"one": fitness},
        measures={"a": 0.5, "b": 0.5},
    )


def ran(n, program, digest, **facts):
    facts = {"status": "ok", "reason": None, **facts}
    return Step(
        n, 0, Kind.SEARCH, "rewrite", None, (0,), "x", program, facts, outputs_digest=digest
    )


def rejected(n, program):
    reason = "rejected as not new: text 0.97 like step 0, behaviour at 0.01 of it"
    facts = {"status": "duplicate", "reason": reason, "rejected": REJECTION}
    return Step(n, 0, Kind.SEARCH, "rewrite", None, (0,), "x", program, facts, idea="as it was")


FIRST = Step(
    *(0, 0, Kind.INITIAL, "initial", None, (), "x", "first", {"status": "ok", "reason": None}),
    outputs_digest="d0",
)


def test_a_rejected_program_is_a_duplicate_of_what_it_is_like():
    state, (_, told) = told_so_far((FIRST, 1.0), (rejected(1, "copy"), None))
    assert (told.status, told.duplicate_of) == (Status.DUPLICATE, 0)
    assert told.reason.startswith("rejected as not new")
    assert (state.evaluations, told.placement) == (1, None)
    idea = view(state, Grouping(), [0]).tried[0]
    assert idea.kinship == "much like step 0, so that it was not run"


def test_the_same_program_again_is_a_duplicate_of_the_rejected_one():
    again = Step(2, 2, Kind.SEARCH, "rewrite", None, (0,), "x", "copy")
    for step in (again, rejected(2, "copy")):
        _, told = told_so_far((FIRST, 1.0), (rejected(1, "copy"), None), (step, None))
        assert told[2].duplicate_of == 1
        assert told[2].reason == "same syntax as step 1"


def test_a_program_that_was_run_is_no_duplicate_of_a_rejected_one():
    run = ran(2, "copy", "d2", rejected=REJECTION | {"sampled": True})
    _, told = told_so_far((FIRST, 1.0), (rejected(1, "copy"), None), (run, 2.0))
    assert (told[2].status, told[2].placement) == (Status.OK, "IMPROVED")


def test_a_rejected_program_that_another_step_ran_is_a_duplicate_of_that():
    _, told = told_so_far((FIRST, 1.0), (ran(1, "copy", "d1"), 2.0), (rejected(2, "copy"), None))
    assert (told[2].duplicate_of, told[2].reason) == (1, "same syntax as step 1")


@given(st.integers(0, 10**6), st.sampled_from([0.0, 0.3]), st.integers(2, 40))
def test_near_elites_come_the_nearest_first_and_of_equally_near_ones_the_best(seed, confirm, most):
    """However many there are: where all are compared nobody ranks them first."""
    chance = Random(seed)
    *_, snapshot = DrawnRun(Random(seed), confirm=confirm, bins=9).states(50)
    apart = {n: chance.choice([0.0, 0.02, 0.04, 0.2, 0.2]) for n in range(50)}
    probed = Probed("hash", b"", "deterministic", 0.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(neighbours, "MAX_COMPARED", most)
        patch.setattr(neighbours, "distances", lambda own, rows, form: rows[:, 0])
        known = neighbours.Neighbours(None, None, "exact")
        patch.setattr(known, "_sketch_of", lambda behaviour, record: np.array([0.0]))
        patch.setattr(known, "_is_rounding", lambda probed, neighbour: False)
        known._rows = {n: known._add(np.array([far])) for n, far in apart.items() if n % 7}
        known._rows |= dict.fromkeys(
            range(0, 50, 7), neighbours.NOWHERE
        )  # nobody knows their probes
        near, seen = known.near(probed, snapshot), known.seen(probed, snapshot)
        assert known.near(Probed(None, b"", None, 0.0), snapshot) == []
    compared = [e.step for e in snapshot.ranked[:most] if e.step % 7]
    ordered = sorted(compared, key=lambda n: apart[n])  # of equal ones the best stays first
    expected = [(n, apart[n]) for n in ordered if apart[n] < NEAR]
    assert [(each.told.step.n, each.distance) for each in near] == expected
    if ordered:
        assert (seen["nearest"], seen["distance"]) == (ordered[0], apart[ordered[0]])
        assert seen.get("near", False) == (apart[ordered[0]] < NEAR)
    else:
        assert seen == {}
