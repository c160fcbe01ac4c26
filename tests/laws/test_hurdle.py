"""A run with a hurdle is one run, however it is worked on; and the hurdle ends where it misleads."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from archive import queries
from archive.journal import Journal
from archive.records import Status
from archive.store import Archive
from evolve import RunLimits, hurdling, load_task, open_run, replay_run, resume_run, search
from evolve.documents import status_document
from evolve.hurdle import BY_CHANCE, HURDLE, STOPPED, Hopeless
from evolve.models.scripted import ScriptedModel
from evolve.operators import OFFLINE
from evolve.operators.base import Written
from evolve.prompting.words import number
from evolve.replay import Differs

pytestmark = pytest.mark.slow

TOY = Path(__file__).resolve().parent.parent / "tasks" / "toy"
# Eight units, of which four are quick; a cell is full with its first elite.
SETTINGS = ("grade_ms=0", "pools=8", "probes=1", "search.confirm=0", "search.depth=1")
WITH, WITHOUT = "search.hurdle=true", "search.hurdle=false"
STEPS = 16
LOOKAHEAD = 4

WEIGH = "def weigh(features, k, rng):\n    return {body}\n"
# The more of the second feature is taken away, the better.
GOOD = "features[:, 0] - {number} * 0.0005 * features[:, 1]"
# In the same cell, and as bad as can be.
BAD = "{number} * 0.0005 * features[:, 1] - features[:, 0]"
SPINS = "[1 for _ in iter(int, {number})] if len(features) == 50 else features[:, 0]"


@dataclass(frozen=True)
class Drawn:
    """An operator that writes one of a few bodies, with a number of its own."""

    bodies: tuple[str, ...]
    name: str = "drawn"
    num_parents: int = 1
    share: float = 1.0
    cost: float = 0.5
    uses_model: bool = False
    pairing: str = "any"

    def suits(self, source):
        return True

    async def write(self, desk):
        body = self.bodies[int(desk.rng.integers(len(self.bodies)))]
        return Written(WEIGH.format(body=body.format(number=int(desk.rng.integers(1, 1000)))))


class Killed(BaseException):
    """Stands for the end of a process at a commit."""


@pytest.fixture
def writes(monkeypatch):
    """Let the one operator of a run write these bodies."""
    return lambda *bodies: monkeypatch.setitem(OFFLINE, "drawn", Drawn(bodies))


@pytest.fixture(autouse=True)
def _good_and_bad(writes):
    writes(GOOD, BAD)


@pytest.fixture
def archive(tmp_path):
    with Archive.open(tmp_path / "evolve.db") as opened:
        yield opened


def start(archive, *settings, steps=STEPS, **options):
    task = load_task(TOY, [*SETTINGS, f"search.lookahead={LOOKAHEAD}", WITH, *settings])
    options = {
        "operators": ["drawn"],
        "initial": {"first": WEIGH.format(body="features[:, 0]")},
    } | options
    return open_run(task, archive=archive, rng_seed=5, limits=RunLimits(steps=steps), **options)


def searched(place, *settings, workers=1):
    """Search in an archive of its own; give the run as it ended."""
    with Archive.open(place) as archive:
        run = start(archive, *settings)
        search(run, workers=workers)
    return run


def by_fact(archive, fact):
    """Give the told steps of which the hurdle said this."""
    told = queries.told_steps(archive, archive.run().id)
    return [step for step in told if (step.ran or {}).get(HURDLE) == fact]


# --- what it does ---


def test_what_is_hopeless_ends_at_the_quick_stage(archive):
    run = start(archive)
    search(run, workers=1)
    stopped, evaluations = by_fact(archive, STOPPED), queries.evaluations(archive, run.record.id)
    assert stopped
    for step in stopped:
        row = evaluations[step.evaluation]
        assert "- features[:, 0]" in step.source
        assert (step.status, step.placement, step.cell) == (Status.OK, "NOT_ADDED", None)
        assert step.reason.startswith("hopeless: after 4 of 8 instances worse than")
        assert (row.stage, row.n, step.outputs_digest) == ("quick", 4, None)
        assert (step.ran["status"], step.ran["wall_s"]) == ("ok", row.wall_s)
    assert run.state.evaluations == queries.counts(archive, run.record.id).digests
    document = status_document(archive, archive.run())["hurdle"]
    assert (document["stopped"], document["quick"], document["whole"]) == (len(stopped), 4, 8)
    assert not document["off"]


def test_what_passes_by_chance_ends_as_without_a_hurdle(outcome, monkeypatch, tmp_path):
    monkeypatch.setattr(hurdling, "CHANCE", 1.0)
    searched(tmp_path / "with.db")
    searched(tmp_path / "without.db", WITHOUT)
    assert outcome(tmp_path / "with.db") == outcome(tmp_path / "without.db")
    with Archive.open(tmp_path / "with.db") as archive:
        document, passed = (
            status_document(archive, archive.run())["hurdle"],
            by_fact(archive, BY_CHANCE),
        )
        assert (document["stopped"], document["passed"]) == (0, len(passed))
        assert document["wrong"] == sum(step.placement != "NOT_ADDED" for step in passed)
        assert len(passed) > 2


def test_where_it_misleads_it_ends_and_says_so(archive, monkeypatch):
    monkeypatch.setattr(hurdling, "hopeless", lambda *_: Hopeless(1, 4, 8))
    monkeypatch.setattr(hurdling, "CHANCE", 1.0)
    run = start(archive)
    search(run, workers=1)
    document = status_document(archive, archive.run())["hurdle"]
    assert document["off"]
    assert document["wrong"] >= 2
    # Those that were asked before the second mistake was told may still have met it.
    wrong = [s for s in by_fact(archive, BY_CHANCE) if s.placement in ("NEW", "IMPROVED")]
    assert by_fact(archive, BY_CHANCE)[-1].n < wrong[1].n + LOOKAHEAD < STEPS - 1


def test_a_task_with_too_few_instances_has_none_and_says_so(archive):
    run = start(archive, "pools=7", steps=8)
    search(run, workers=1)
    document = status_document(archive, archive.run())["hurdle"]
    assert (document["quick"], document["stopped"], document["passed"]) == (0, 0, 0)
    assert by_fact(archive, STOPPED) == []


def test_no_prompt_shows_a_fitness_of_a_part_of_the_block(archive):
    prompts = []

    def answer(request):
        prompts.append("\n".join(message.text for message in request.messages))
        body = BAD.format(number=len(prompts))
        return (
            f"IDEA: turn it round, attempt {len(prompts)}\n```python\n{WEIGH.format(body=body)}```"
        )

    model = ScriptedModel(answer)
    run = start(archive, "search.order=step", operators=["rewrite"], models=[model.name], steps=8)
    search(run, workers=1, models=[model])
    stopped, evaluations = by_fact(archive, STOPPED), queries.evaluations(archive, run.record.id)
    assert len(stopped) > 2
    assert "| no score, not kept" in prompts[-1]
    for step in stopped:
        fitness = evaluations[step.evaluation].fitness
        assert not [text for text in prompts if number(fitness) in text]


def test_what_breaks_a_limit_on_the_quick_stage_ends_as_without_a_hurdle(writes, archive):
    writes(SPINS)
    run = start(archive, steps=2)
    search(run, workers=1)
    step = queries.step(archive, run.record.id, 1)
    assert step.status in (Status.TIMEOUT, Status.OVER_LIMIT)
    assert step.reason.startswith("train-0-2: ")
    assert (step.evaluation, step.ran.get(HURDLE)) == (None, None)


# --- one run ---


def test_the_same_run_with_one_worker_and_with_four(outcome, tmp_path):
    for workers in (1, 4):
        searched(tmp_path / f"{workers}.db", workers=workers)
    assert outcome(tmp_path / "1.db") == outcome(tmp_path / "4.db")


@pytest.mark.parametrize("before", [WITH, WITHOUT])
def test_no_archive_knows_better_than_the_run_would_have_known_alone(before, outcome, tmp_path):
    searched(tmp_path / "alone.db")
    searched(tmp_path / "shared.db", before)
    again = searched(tmp_path / "shared.db")
    assert outcome(tmp_path / "shared.db") == outcome(tmp_path / "alone.db")
    assert again.state.hurdle.stopped > 0
    if before == WITH:
        assert again.record.gradings == 0


@pytest.mark.parametrize(
    ("fact", "killed_after"),
    [
        (STOPPED, "quick"),
        pytest.param(STOPPED, "ran", marks=pytest.mark.soak),
        pytest.param(STOPPED, "evaluated", marks=pytest.mark.soak),
        (BY_CHANCE, "ran"),
    ],
)
def test_killed_amid_such_a_step_and_resumed_a_run_ends_as_if_undisturbed(
    fact, killed_after, outcome, monkeypatch, tmp_path
):
    monkeypatch.setattr(hurdling, "CHANCE", float(fact == BY_CHANCE))
    searched(tmp_path / "undisturbed.db")
    with Archive.open(tmp_path / "undisturbed.db") as archive:
        n = by_fact(archive, fact)[0].n
        program = by_fact(archive, fact)[0].program
    with Archive.open(tmp_path / "killed.db") as archive:
        run = start(archive)
        with monkeypatch.context() as patches:
            method = "ran" if killed_after == "ran" else "evaluated"
            wanted = (None, program) if killed_after == "quick" else (n, None)
            patches.setattr(Journal, method, dying_behind(getattr(Journal, method), *wanted))
            with pytest.raises(Killed):
                search(run, workers=1)
        search(resume_run(archive.run(), archive=archive), workers=1)
        assert by_fact(archive, fact)[0].n == n
    assert outcome(tmp_path / "killed.db") == outcome(tmp_path / "undisturbed.db")


def dying_behind(write, n, program):
    """Let a method of the journal do its work, and end the process behind that of step n.

    n: None for an evaluation that no step points at yet, of this program.
    """

    def write_and_die(journal, step, what, **named):
        written = write(journal, step, what, **named)
        if step == n and (n is not None or what.program == program):
            raise Killed
        return written

    return write_and_die


# --- replay ---


def test_a_replay_comes_to_the_same_verdicts(outcome, tmp_path):
    place = tmp_path / "evolve.db"
    searched(place)
    expected = outcome(place)
    with Archive.open(place) as archive:
        assert search(replay_run(archive.run(), archive=archive), workers=2) == "steps"
        assert archive.run().gradings > 0
        assert by_fact(archive, STOPPED)
    assert outcome(place) == expected


def test_a_replay_that_judges_otherwise_says_where(monkeypatch, archive):
    search(start(archive), workers=1)
    first = by_fact(archive, STOPPED)[0].n
    monkeypatch.setattr(hurdling, "CHANCE", 1.0)
    with pytest.raises(Differs) as differs:
        search(replay_run(archive.run(), archive=archive), workers=1)
    assert differs.value.difference.step == first
