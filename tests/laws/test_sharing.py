"""What is shared is right: equal outputs have equal grades, and nothing else is handed on unseen."""

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from archive import queries
from archive.journal import Journal
from archive.records import Kind, Status
from archive.store import Archive
from evolve import RunLimits, load_task, open_run, replay_run, resume_run
from evolve.assess import TRAIN, Assessor
from evolve.build import worker_for
from evolve.local import LocalExecutor
from evolve.loop import search
from evolve.operators import OFFLINE
from evolve.operators.base import Written
from evolve.world import world

pytestmark = pytest.mark.slow

TASKS = Path(__file__).resolve().parent.parent / "tasks"
STEPS = 28
RNG_SEED = 5
NO_CONFIRMING = "search.confirm=0"
# Few at a time, so that what a step has found is known to those that come soon after it.
CLOSE = "search.lookahead=4"

# Equal on both sides of 0, each with a syntax of its own.
TWINS = "1.0 * x + 0.0 * {number}"
# Equal where the probes look, and on train something else.
UNLIKE = "1.0 * abs(x) + 0.0 * {number}"
# Shorter than the program that it equals on the probes, and on train something else.
SHORTER = "abs(x)"
# Another order of texts in another process, but the same one in every child of one process.
BY_HASH = "(2.0 + hash('a') % 997) * x + 0.0 * {number}"
# Another address in another process: such a program gives something else in each slot.
BY_ADDRESS = "(2.0 + id(follow) // 4096 % 997) * x + 0.0 * {number}"
FAILS_BY_HASH = "hash('a') % 997 * x if x.min() >= 0 else x[10**6 + {number}]"


# Rules that fail, each in words of its own.
BROKEN = ("left // 0 + {number}", "{number} + [][centre]")


@dataclass(frozen=True)
class Drawn:
    """An operator that writes one of a few bodies, with a number of its own."""

    bodies: tuple[str, ...]
    head: str = "def follow(x):"
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
        number = int(desk.rng.integers(1000))
        return Written(f"{self.head}\n    return {body.format(number=number)}\n")


class Killed(BaseException):
    """Stands for the end of a process at a commit."""


class Laboratory:
    """Runs searches in this process; the slots of a task are opened once."""

    def __init__(self, runner):
        self._runner, self._slots = runner, {}

    def close(self):
        """End all slots; whoever searches next gets other processes."""
        while self._slots:
            self._runner.run(self._slots.popitem()[1].__aexit__())

    def search(self, run):
        """Search until a run ends; give its record."""
        work = search(run, worker_for(run, self.slots(run.task)), asyncio.Event(), seen)
        try:
            run.close(self._runner.run(work))
        except BaseException:
            run.journal.close()
            self.close()  # a slot may be left amid a call
            raise
        return run.record

    def assess(self, task, archive, source):
        """Evaluate a program on the train block, as `evolve verify` does."""
        assessor = Assessor(task, self.slots(task), archive)
        return self._runner.run(assessor.program(source, TRAIN))

    def slots(self, task):
        if task.digest not in self._slots:
            slots = LocalExecutor(task, world(), 2)
            self._slots[task.digest] = self._runner.run(slots.__aenter__())
        return self._slots[task.digest]


def seen(step):
    """Watch nothing."""


@pytest.fixture(scope="module")
def laboratory():
    with asyncio.Runner() as runner:
        laboratory = Laboratory(runner)
        yield laboratory
        laboratory.close()


@pytest.fixture
def archive(tmp_path):
    with Archive.open(tmp_path / "evolve.db") as opened:
        yield opened


@pytest.fixture
def writes(monkeypatch):
    """Let the one operator of a run write these bodies."""

    def write(*bodies, **options):
        monkeypatch.setitem(OFFLINE, "drawn", Drawn(bodies, **options))

    return write


@pytest.fixture
def audits(monkeypatch):
    """Set which share of trusted hits is evaluated anyway."""
    return lambda share: monkeypatch.setattr("evolve.evaluator.AUDIT_SHARE", share)


def half_seen(archive, *settings, steps=STEPS, initial=None):
    """Start a run of the task that trusts probes which see one side only."""
    return open_run(
        load_task(TASKS / "half_seen", [CLOSE, *settings]),
        archive=archive,
        rng_seed=RNG_SEED,
        limits=RunLimits(steps=steps),
        operators=["drawn"],
        initial=initial,
    )


def told(archive, record):
    """Give the told steps with their evaluations."""
    evaluations = queries.evaluations(archive, record.id)
    return [
        (step, evaluations[step.evaluation] if step.evaluation else None)
        for step in queries.told_steps(archive, record.id)
    ]


def facts(archive, record, name):
    """Give {step: value} of the told steps that keep a fact of this name."""
    return {
        step.n: step.ran[name]
        for step, _ in told(archive, record)
        if step.ran is not None and name in step.ran
    }


def original(archive, record):
    """Give the step and evaluation of the initial program `as_it_is`."""
    names = [name for name, _ in record.settings["initial"]]
    return told(archive, record)[names.index("as_it_is")]


# --- equal outputs ---


@pytest.mark.parametrize("name", ["toy", "forecasts"])
def test_sharing_grades_or_not_is_the_same_run_and_fewer_gradings(
    name, laboratory, outcome, tmp_path
):
    settings = ["grade_ms=0"] if name == "toy" else []
    found, gradings = [], []
    for shares in ("true", "false"):
        place = tmp_path / f"{shares}.db"
        with Archive.open(place) as archive:
            task = load_task(TASKS / name, [*settings, f"search.share_grades={shares}"])
            run = open_run(
                task,
                archive=archive,
                rng_seed=RNG_SEED,
                limits=RunLimits(steps=STEPS),
                # At least these two are equal, however few of the others be.
                initial=task.programs()
                | {"again": f"{task.programs()['trivial']}\n\nUNUSED = 1\n"},
            )
            gradings.append(laboratory.search(run).gradings)
        found.append(outcome(place))
    same_outcome(found[0], found[1])
    assert gradings[0] < gradings[1]


# --- "exact": the probes decide everything ---


@pytest.mark.parametrize("operators", [["perturb", "recombine"], ["drawn"]])
def test_where_probes_decide_everything_the_second_run_is_skipped_and_all_is_the_same(
    operators, laboratory, outcome, writes, tmp_path
):
    writes("1 - left * centre + 0 * {number}", *BROKEN, head="def rule(left, centre, right):")
    task, found, skipped = load_task(TASKS / "majority"), [], []
    for probes in ("exact", "predict"):
        place = tmp_path / f"{probes}.db"
        with Archive.open(place) as archive:
            run = open_run(
                replace(task, spec=task.spec.model_copy(update={"probes": probes})),
                archive=archive,
                rng_seed=RNG_SEED,
                limits=RunLimits(steps=2 * STEPS),
                operators=operators,
            )
            record = laboratory.search(run)
            skipped.append(facts(archive, record, "exact"))
            assert facts(archive, record, "wall_s").keys().isdisjoint(skipped[-1])
        found.append(outcome(place))
    same_outcome(*found)
    assert skipped[0]
    assert not skipped[1]


# --- "trust": what the probes cannot tell apart is taken for the same ---


def test_a_trusted_hit_has_the_quality_of_its_origin_and_is_not_run(
    laboratory, archive, writes, audits
):
    writes(TWINS)
    audits(0.0)
    record = laboratory.search(half_seen(archive, NO_CONFIRMING))
    origin, known = original(archive, record)
    trusting = facts(archive, record, "trusts")
    assert set(trusting.values()) == {origin.n}
    assert record.gradings == len(record.settings["initial"])
    for step, evaluation in told(archive, record):
        if step.n in trusting:
            assert evaluation == known
            assert (step.status, step.duplicate_of) == (Status.DUPLICATE, origin.n)
            assert "wall_s" not in step.ran
    # The rest are of a syntax that was told before.
    assert queries.counts(archive, record.id).digests == record.gradings


def test_a_share_of_trusted_hits_is_evaluated_anyway(laboratory, archive, writes, audits):
    writes(TWINS)
    audits(0.5)
    record = laboratory.search(half_seen(archive, NO_CONFIRMING))
    trusting, audited = (facts(archive, record, name) for name in ("trusts", "audits"))
    assert 0.25 < len(audited) / (len(audited) + len(trusting)) < 0.75
    # An audit that finds the same drops nothing: the last hits are trusted as the first were.
    assert max(trusting) > min(audited)
    assert all("wall_s" in step.ran for step, _ in told(archive, record) if step.n in audited)


def test_what_an_audit_finds_different_is_trusted_no_more(laboratory, archive, writes, audits):
    writes(UNLIKE)
    audits(0.5)
    record = laboratory.search(half_seen(archive, NO_CONFIRMING))
    origin, known = original(archive, record)
    trusting, audited = (facts(archive, record, name) for name in ("trusts", "audits"))
    assert set(audited.values()) == {origin.n}
    steps = {step.n: (step, evaluation) for step, evaluation in told(archive, record)}
    first, found = min((steps[n] for n in audited), key=lambda pair: pair[0].told_seq)
    assert first.status is Status.OK
    assert found.fitness != known.fitness
    assert all(steps[n][0].asked_after <= first.told_seq for n in (*trusting, *audited))
    later = [step for step, _ in steps.values() if step.asked_after > first.told_seq]
    assert sum("wall_s" in (step.ran or {}) for step in later) > STEPS / 4


def test_a_trusted_quality_stays_in_its_run(laboratory, archive, writes, audits):
    writes(UNLIKE)
    audits(0.0)
    record = laboratory.search(half_seen(archive, NO_CONFIRMING))
    _, known = original(archive, record)
    n = min(facts(archive, record, "trusts"))
    step, taken = told(archive, record)[n]
    assert taken.fitness == known.fitness
    second = laboratory.search(
        half_seen(archive, NO_CONFIRMING, steps=1, initial={"other": step.source})
    )
    (other, own) = told(archive, second)[0]
    assert other.ran.get("served") is None
    assert own.fitness != known.fitness
    again = laboratory.assess(load_task(TASKS / "half_seen"), archive, step.source)
    assert (again.fitness, again.program) == (own.fitness, step.program)


def test_what_confirming_compares_is_evaluated_there(laboratory, archive, writes, audits):
    writes(SHORTER, UNLIKE)
    audits(0.0)
    record = laboratory.search(half_seen(archive, "search.confirm=0.5"))
    steps = {step.n: step for step, _ in told(archive, record)}
    confirmed = [step for step in steps.values() if step.kind is Kind.CONFIRM]
    # Taken to be the same and shorter, it stands in the place of what it is not.
    trusted = {n for step in confirmed for n in step.parents if "trusts" in steps[n].ran}
    assert trusted
    for step in confirmed:
        for n in step.parents:
            found = queries.find_evaluation(
                archive,
                task=record.task,
                world=record.world,
                stage="valid",
                block=step.block,
                program=steps[n].program,
            )
            assert found.outputs_digest is not None
            index = step.parents.index(n)
            assert step.ran["compared"]["means"][index] == pytest.approx(found.fitness)


@pytest.mark.parametrize("body", [TWINS, UNLIKE])
def test_a_trusting_run_is_the_same_in_an_archive_that_knows_more(
    body, laboratory, outcome, writes, audits, tmp_path
):
    writes(body)
    audits(0.2)
    for place in ("alone.db", "shared.db", "shared.db"):
        with Archive.open(tmp_path / place) as archive:
            laboratory.search(half_seen(archive, NO_CONFIRMING))
    same_outcome(outcome(tmp_path / "shared.db"), outcome(tmp_path / "alone.db"))


# --- what does not repeat ---


@pytest.mark.parametrize("body", [BY_HASH, BY_ADDRESS])
def test_what_does_not_repeat_is_evaluated_twice_under_no_key(
    body, laboratory, archive, writes, outcome
):
    writes(body)
    record = laboratory.search(half_seen(archive, NO_CONFIRMING))
    first = len(record.settings["initial"])
    found = [(step, known) for step, known in told(archive, record)[first:] if known is not None]
    assert found
    for step, evaluation in found:
        assert step.ran["determinism"] == "none"
        assert (step.outputs_digest, step.behaviour) == (None, None)
        assert evaluation.program not in (step.program, None)
        assert evaluation.outputs_digest is None
        served = queries.find_evaluation(
            archive,
            task=record.task,
            world=record.world,
            stage="train",
            block=0,
            program=step.program,
        )
        assert served is None
    assert record.gradings == first + 2 * len(found)
    assert queries.counts(archive, record.id).digests == first + len(found)
    second = laboratory.search(half_seen(archive, NO_CONFIRMING))
    assert second.gradings == 2 * len(found)


def test_a_program_that_does_not_repeat_and_fails_costs_no_grading_and_is_no_evaluation(
    laboratory, archive, writes
):
    writes(FAILS_BY_HASH)
    record = laboratory.search(half_seen(archive, NO_CONFIRMING, steps=6))
    first = len(record.settings["initial"])
    assert {step.status for step, _ in told(archive, record)[first:]} == {Status.CRASHED}
    assert list(facts(archive, record, "determinism").values())[first:] == ["none"] * 3
    assert record.gradings == first
    assert queries.counts(archive, record.id).digests == first


@pytest.mark.parametrize("confirm", [NO_CONFIRMING, "search.confirm=0.5"])
@pytest.mark.parametrize("body", [BY_HASH, BY_ADDRESS])
def test_a_run_with_what_does_not_repeat_is_replayed(body, confirm, laboratory, archive, writes):
    writes(body, TWINS)
    record = laboratory.search(half_seen(archive, confirm))
    assert "none" in facts(archive, record, "determinism").values()
    laboratory.close()  # addresses are others in other processes
    again = laboratory.search(replay_run(record, archive=archive))
    assert again.told == record.told
    assert kept(archive, again) == kept(archive, record)


def test_what_does_not_repeat_is_served_to_no_confirmation_of_another_run(
    laboratory, archive, writes
):
    writes(BY_ADDRESS)
    for _ in range(2):
        record = laboratory.search(half_seen(archive, "search.confirm=0.5"))
    unrepeatable = {n for n, how in facts(archive, record, "determinism").items() if how == "none"}
    confirmed = [
        (step.n, n)
        for step, _ in told(archive, record)
        if step.kind is Kind.CONFIRM
        for n in unrepeatable.intersection(step.parents)
    ]
    assert confirmed
    assert record.gradings >= 2 * len(unrepeatable) + len(confirmed)


@pytest.mark.parametrize("method", ["ran", "evaluated"])
@pytest.mark.parametrize(
    ("bodies", "fact"),
    [
        ((TWINS, UNLIKE, SHORTER), "trusts"),
        ((TWINS, UNLIKE, SHORTER), "audits"),
        ((BY_HASH,), "determinism"),
    ],
)
def test_killed_amid_such_a_step_and_resumed_a_run_ends_as_if_undisturbed(
    bodies, fact, method, laboratory, outcome, writes, audits, monkeypatch, tmp_path
):
    writes(*bodies)
    audits(0.2)
    with Archive.open(tmp_path / "undisturbed.db") as archive:
        record = laboratory.search(half_seen(archive, NO_CONFIRMING))
        first = len(record.settings["initial"])
        n = min(n for n in facts(archive, record, fact) if n >= first)
    with Archive.open(tmp_path / "killed.db") as archive:
        with monkeypatch.context() as patches:
            patches.setattr(Journal, method, dying_behind(getattr(Journal, method), n))
            with pytest.raises(Killed):
                laboratory.search(half_seen(archive, NO_CONFIRMING))
        laboratory.search(resume_run(archive.run(), archive=archive))
    same_outcome(outcome(tmp_path / "killed.db"), outcome(tmp_path / "undisturbed.db"))


def dying_behind(write, n):
    """Let a method of the journal do its work, and end the process behind that of step n."""

    def write_and_die(journal, step, *others, **named):
        written = write(journal, step, *others, **named)
        if step == n:
            raise Killed
        return written

    return write_and_die


def same_outcome(found, expected):
    """Assert that steps and elites are the same; show in what they part first."""
    for one, other in zip(found[0], expected[0], strict=True):
        differ = [pair for pair in zip(one, other, strict=True) if pair[0] != pair[1]]
        assert not differ, f"step {one[0]}: {differ}"
    assert found[1] == expected[1]


def kept(archive, record):
    """Give what a replay must repeat."""
    return [
        (
            *(step.n, step.kind, step.parents, step.source, step.program, step.outputs_digest),
            *(step.status, step.duplicate_of, step.cell, step.placement),
            evaluation.fitness if evaluation else None,
        )
        for step, evaluation in told(archive, record)
    ]
