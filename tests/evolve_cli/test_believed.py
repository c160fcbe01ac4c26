"""Stories of what is shown of noisy programs: what fresh instances confirmed goes before luck."""

import io
import random
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from rich.console import Console
from sqlalchemy import update

from archive import queries, schema
from archive.records import Evaluation, Kind, Status
from archive.store import Archive
from evolve import RunLimits, load_task, open_run
from evolve.believed import (
    believed_of,
    challenger_document,
    confirmations_document,
    folded,
    offered,
)
from evolve.documents import elites_document, map_document, shown_grid, spec_of, status_document
from evolve.heatmap import refold
from evolve.live import LiveDisplay, LogLines
from evolve.program_document import show_document
from evolve.program_view import program_view
from evolve.run import Run
from evolve.status_view import status_table
from evolve.tables import elites_table
from evolve.verify import best_programs

TOY = Path(__file__).resolve().parents[1] / "tasks/toy"
HEAD = "def weigh(features, k, rng):\n"
TRAIN, FRESH = 6, 8
# Of a score of one instance; the spread of true values is less than that of a mean of six.
NOISE, SPREAD = 0.5, 0.1
# Now and then comes one that is better than all before it, far beyond noise.
GREAT_EVERY = 12
STEPS = 60


@dataclass
class Teller:
    """Tells a run whose programs have a true value, and scores that are noisy."""

    run: Run
    luck: random.Random

    def tell(self, *watches):
        """Do what is asked next; False when nothing is."""
        assignment = self.run.ask()
        if assignment is None:
            return False
        if assignment.step.kind is Kind.CONFIRM:
            told = self.run.tell_compared(assignment, self.fresh(assignment.step))
        else:
            told = self.run.tell(assignment, *self.child(assignment.n))
        for watch in watches:
            for step in told:
                watch(step)
        return True

    def child(self, n):
        """Write a program, and score it on train."""
        scores = {f"train-0-{i}": self.noisy(n) for i in range(TRAIN)}
        fitness = sum(scores.values()) / TRAIN
        made_up = Evaluation(
            "", "", "", 0, "", Status.OK, outputs_digest=f"digest {n}", fitness=fitness, n=TRAIN,
            se=NOISE / TRAIN**0.5, scores=scores, measures={"spread": n % 3 / 2, "lean": 0.1},
        )  # fmt: skip
        return f"{HEAD}    return features[:, 0] * {n}.5\n", made_up

    def fresh(self, step):
        level = self.luck.gauss(0.0, 1.0)
        names = [f"valid-{step.block}-{i}" for i in range(FRESH)]
        return [{name: level + self.noisy(n) for name in names} for n in step.parents]

    def noisy(self, n):
        great = n if n % GREAT_EVERY == 0 else 0
        return great + random.Random(n).gauss(0.0, SPREAD) + self.luck.gauss(0.0, NOISE)


def teller(archive, steps=STEPS, **settings):
    values = {"search.confirm": 0.3, "search.lookahead": 4} | settings
    task = load_task(TOY, [f"{key}={value}" for key, value in values.items()])
    initial = {name: f"{HEAD}    return features[:, {i}]\n" for i, name in enumerate(("a", "b"))}
    run = open_run(task, archive=archive, initial=initial, limits=RunLimits(steps=steps))
    return Teller(run, random.Random(7))


@pytest.fixture(scope="module")
def noisy(tmp_path_factory):
    """Give a folder whose archive holds a finished run, `toy-1`, and the state that it ended in."""
    folder = tmp_path_factory.mktemp("noisy")
    with Archive.open(folder / "evolve.db") as archive:
        told = teller(archive)
        while told.tell():
            pass
        told.run.close("steps")
    return folder, told.run.state


@pytest.fixture
def archive(noisy):
    with Archive.open(noisy[0] / "evolve.db") as archive:
        yield archive


@pytest.fixture
def state(noisy):
    return noisy[1]


def drawn(drawing):
    console = Console(file=io.StringIO(), width=80, no_color=True, force_terminal=False)
    console.print(drawing)
    lines = console.file.getvalue().splitlines()
    assert max(map(len, lines), default=0) <= 80
    return " ".join(" ".join(lines).split())


def test_elites_rank_by_what_is_believed_and_keep_what_was_measured(archive, state):
    elites = elites_document(archive, archive.run())
    assert [elite["fitness"] for elite in elites] == sorted(e["fitness"] for e in elites)[::-1]
    confirmed = [elite for elite in elites if elite["confirmed"]]
    assert confirmed
    for elite in elites:
        (known,) = (held for held in state.grid.elites() if held.step == elite["step"])
        assert elite["fitness"] == pytest.approx(known.mean)
        assert elite["standard_error"] == pytest.approx(known.error)
        assert elite["train_fitness"] == pytest.approx(known.fitness)
        assert elite["n"] == TRAIN + elite["fresh"]
        assert elite["fresh"] % FRESH == 0
        assert elite["confirmed"] == (elite["fresh"] > 0)
    beside = [elite["incumbent"] for elite in elites if elite["incumbent"]]
    assert all(elite["confirmed"] for elite in beside)
    text = drawn(elites_table(elites, "toy-1"))
    assert f"{len(confirmed) + len(beside)} confirmed on " in text
    assert "fitness is corrected by what fresh instances showed" in text


def test_the_confirmed_one_of_a_cell_is_listed_below_its_challenger(tmp_path):
    with Archive.open(tmp_path / "evolve.db") as archive:
        told, beside = teller(archive), []
        while told.tell() and not beside:
            elites = elites_document(archive, told.run.record)
            beside = [elite for elite in elites if elite["incumbent"]]
        told.run.close("steps")
    challenger, incumbent = beside[0], beside[0]["incumbent"]
    assert challenger["cell"] == incumbent["cell"]
    assert challenger["fitness"] >= incumbent["fitness"]
    assert incumbent["confirmed"]
    assert not challenger["confirmed"]
    text = drawn(elites_table(elites, "toy-1"))
    assert text.index(challenger["program"][:8]) < text.index(f"└{incumbent['program'][:8]}")


def test_status_names_the_best_that_was_confirmed_and_what_confirming_taught(archive, state):
    status = status_document(archive, archive.run())
    best, taught = status["best"], status["confirmations"]
    assert best["step"] == state.best_confirmed.step
    assert best["confirmed"]
    assert best["fitness"] == pytest.approx(state.best_confirmed.mean)
    assert status["best_fitness"] == pytest.approx(state.ranked[0].mean)
    assert status["steps_by_kind"]["confirm"] == taught["told"] == state.confirms > 5
    known = state.calibration
    assert (taught["blocks"], taught["challengers"]) == (known.blocks, known.pairs)
    assert taught["challengers"] > 0
    assert taught["slope"] == pytest.approx(known.slope)
    assert taught["doubt"] == pytest.approx(known.doubt)
    assert taught["optimism"] == pytest.approx((known.gain - known.found) / known.pairs)
    assert "confirm" not in status["operators"]
    text = drawn(status_table(status))
    assert f"{taught['told']} steps on fresh blocks; {taught['challengers']} challenger" in text
    assert f"({best['program'][:8]}), confirmed on {best['fresh']} fresh" in text


def test_what_was_taught_is_kept_with_its_run_and_folded_where_it_is_not(tmp_path):
    """An archive of an earlier version keeps no sums."""
    with Archive.open(tmp_path / "evolve.db") as archive:
        told, seen = teller(archive), []
        while told.tell():
            record, state = archive.run(), told.run.state
            if state.confirms:
                kept = confirmations_document(archive, record, state.confirms)
                assert kept["blocks"] == state.calibration.blocks
                seen.append(kept)
        told.run.close("steps")
        forget = update(schema.runs).values(taught=None)
        archive.database.write("forget", lambda connection: connection.execute(forget))
        assert queries.taught(archive, record.id) is None
        assert confirmations_document(archive, record, state.confirms) == seen[-1]
    assert len({each["blocks"] for each in seen}) > 5


def test_a_challenger_is_shown_beside_the_best_while_it_is_believed_better(tmp_path):
    with Archive.open(tmp_path / "evolve.db") as archive:
        told, seen = teller(archive), set()
        while told.tell():
            state, challenger = told.run.state, challenger_document(archive, told.run.record)
            ahead = bool(state.best_confirmed and not state.ranked[0].confirmed)
            assert bool(challenger) == ahead
            if ahead and ahead not in seen:
                status = status_document(archive, told.run.record)
                assert status["challenger"] == challenger
                assert challenger["step"] == state.ranked[0].step
                assert challenger["fitness"] > status["best"]["fitness"]
                assert "not confirmed" in drawn(status_table(status))
            seen.add(ahead)
        told.run.close("steps")
    assert seen == {True, False}


def test_who_only_reads_folds_to_the_state_that_the_run_has(archive, state):
    read = folded(archive, archive.run())
    assert read.told == state.told
    assert [elite.step for elite in read.ranked] == [elite.step for elite in state.ranked]
    for one, other in zip(read.ranked, state.ranked, strict=True):
        assert (one.mean, one.error) == pytest.approx((other.mean, other.error))
        assert one.fresh == other.fresh


def test_a_program_is_shown_as_measured_and_as_believed_whether_it_has_a_place_or_not(
    archive, state
):
    held = {elite.step for elite in state.grid.elites()}
    told = [entry.step for entry in state.history.entries if entry.step.program]
    for step in (next(s for s in told if s.n in held), next(s for s in told if s.n not in held)):
        shown = show_document(archive, step.program)
        assert shown["fitness"] == pytest.approx(sum(shown["scores"].values()) / TRAIN)
        assert shown["believed"] == pytest.approx(state.believed(step.n)[0])
        assert shown["fresh"] == state.belief(step.n).fresh
        text = drawn(program_view(shown))
        assert f"as measured on {TRAIN} of train" in text
        assert ("confirmed on" if shown["confirmed"] else "not confirmed") in text
    assert show_document(archive, told[0].program)["nearest"] is None


def test_what_the_probes_have_shown_of_a_program_is_told(archive, state):
    step = next(entry.step for entry in state.history.entries if entry.step.n == 5)
    shown = show_document(archive, step.program)
    near = {"nearest": 3, "distance": 0.0312, "near": True, "determinism": "injected"}
    text = drawn(program_view(shown | near))
    assert "near step 3 (distance 0.03)" in text
    assert "for the same random numbers" in text
    assert "(distance 0.03), the same but for rounding" in drawn(
        program_view(shown | near | {"rounding": 3})
    )
    alike = drawn(program_view(shown | {"alike": 2, "near": True}))
    assert "the probes do not tell it from step 2" in alike


def test_a_map_shows_what_elites_are_believed_to_be_worth(archive):
    run = archive.run()
    elites = elites_document(archive, run)
    shown = map_document(shown_grid(archive, run, spec_of(archive, run)), "")["cells"]
    believed = {cell["step"]: (cell["fitness"], cell["n"], cell["confirmed"]) for cell in shown}
    assert believed == {e["step"]: (e["fitness"], e["n"], e["confirmed"]) for e in elites}


def test_on_other_axes_programs_stand_as_they_are_believed_now(archive, state):
    measures = spec_of(archive, archive.run()).measures
    grid, _ = refold(measures, offered(archive, archive.run()), ["lean", "spread"])
    assert len(grid.cells) == 3
    for _, elite in grid.shown():
        mean, variance = state.believed(elite.step)
        assert (elite.mean, elite.error**2) == pytest.approx((mean, variance))
        assert elite.fresh == state.belief(elite.step).fresh


def test_of_those_that_do_the_same_the_shortest_stands_on_other_axes(tmp_path):
    with Archive.open(tmp_path / "evolve.db") as archive:
        told = teller(archive, 4, **{"search.confirm": 0})
        run = told.run
        for n in range(4):
            assignment = run.ask()
            text, found = told.child(2 if n == 3 else n)
            longer = text if n == 3 else text.replace(".5", ".5 + 0 * k")
            (step,) = run.tell(assignment, longer, found)
        assert (step.status, step.duplicate_of) == (Status.DUPLICATE, 2)
        run.close("steps")
        assert {each.elite.step for each in offered(archive, run.record)} == {0, 1, 3}
        assert {elite["step"] for elite in elites_document(archive, run.record)} >= {3}
        shown = show_document(archive, step.program)
    assert "in place of a longer one that does the same" in drawn(program_view(shown))


def test_what_fails_on_fresh_instances_is_on_no_map(tmp_path):
    with Archive.open(tmp_path / "evolve.db") as archive:
        told = teller(archive)
        scores, failed = told.fresh, []

        def fresh(step):
            found = scores(step)
            if not failed and step.parents[0] != told.run.state.anchor:
                failed.append(step.parents[0])
                return [None, *found[1:]]
            return found

        told.fresh = fresh
        while told.tell():
            pass
        told.run.close("steps")
        steps = {each.elite.step for each in offered(archive, told.run.record)}
        assert failed[0] not in steps
        assert believed_of(archive, told.run.record, failed[0]) is not None
        assert failed[0] not in {row.step for row in queries.elites(archive, told.run.record.id)}


def test_the_best_to_verify_are_the_confirmed_ones_one_of_each_cell(archive):
    rows = {row.program: row for row in queries.elites(archive, archive.run().id)}
    best = [rows[program] for program in best_programs(archive, archive.run(), 9)]
    assert len({row.cell for row in best}) == len(best) == 3
    assert best == sorted(best, key=lambda row: (not row.confirmed, -row.mean))
    assert best[0].confirmed


def test_while_nothing_is_confirmed_a_copy_is_no_surer_than_what_it_copies(archive, monkeypatch):
    run = archive.run()
    one, other = [row for row in queries.elites(archive, run.id) if row.slot == 0][:2]
    # The error of a child is to its parent: none, where both do the same.
    parent = replace(one, step=1, mean=1.0, error=0.5, fresh=0)
    copy = replace(other, step=2, mean=1.0, error=0.0, fresh=0)
    monkeypatch.setattr("evolve.verify.believed_elites", lambda *_: [copy, parent])
    assert list(best_programs(archive, run, 2)) == [parent.program, copy.program]
    confirmed = [replace(row, fresh=8) for row in (copy, parent)]
    monkeypatch.setattr("evolve.verify.believed_elites", lambda *_: confirmed)
    assert list(best_programs(archive, run, 2)) == [copy.program, parent.program]


def test_a_log_tells_of_a_best_that_was_confirmed_and_of_its_challenger(tmp_path):
    console = Console(file=io.StringIO(), width=200)
    with Archive.open(tmp_path / "evolve.db") as archive:
        told, moments = teller(archive), iter(range(0, 10**6, 4))
        bests = []
        with LogLines(told.run, 2, console, now=lambda: next(moments)) as log:
            while told.tell(log.watch):
                best = told.run.state.best_confirmed
                if best is not None and (not bests or bests[-1] != best.step):
                    bests.append(best.step)
        told.run.close("steps")
    lines = console.file.getvalue().splitlines()
    assert "unconfirmed): initial program a" in lines[1]
    news = [line for line in lines if line.startswith(("new best", "best is now"))]
    confirmed = [line for line in news if " fresh)" in line]
    assert len(confirmed) == len(bests)
    assert f"(n = {TRAIN} + {FRESH} fresh): " in confirmed[0]
    assert f"{told.run.state.confirms} confirm steps" in lines[-1]
    assert any(", challenger " in line and ", unconfirmed)" in line for line in lines)


def test_a_log_tells_of_a_best_that_did_not_hold(tmp_path):
    console = Console(file=io.StringIO(), width=200)
    with Archive.open(tmp_path / "evolve.db") as archive:
        told = teller(archive)

        def fresh(step):
            """What was confirmed once fails to hold later."""
            held = {n: step.block <= 3 or n == told.run.state.anchor for n in step.parents}
            names = [f"valid-{step.block}-{i}" for i in range(FRESH)]
            return [{name: told.noisy(n) - (0 if held[n] else 100) for name in names} for n in held]

        told.fresh = fresh
        with LogLines(told.run, 2, console) as log:
            while told.tell(log.watch):
                pass
        told.run.close("steps")
    lines = console.file.getvalue().splitlines()
    assert any(line.startswith("best is now ") and " fresh)" in line for line in lines)


def test_a_display_shows_the_challenger_beside_the_best(tmp_path):
    with Archive.open(tmp_path / "evolve.db") as archive:
        told = teller(archive)
        display = LiveDisplay(told.run, 2, Console(file=io.StringIO(), width=80))
        seen = set()
        while told.tell(display.watch):
            text, state = drawn(display.draw()), told.run.state
            ahead = bool(state.best_confirmed and not state.ranked[0].confirmed)
            assert ("challenger " in text) == ahead
            if state.best_confirmed:
                assert f"{state.best_confirmed.fresh} fresh)" in text
            assert f"{state.confirms} confirm step" in text
            seen.add(ahead)
        told.run.close("steps")
    assert seen == {True, False}


def test_a_run_that_confirms_nothing_shows_scores_as_measured(tmp_path):
    with Archive.open(tmp_path / "evolve.db") as archive:
        told = teller(archive, 12, **{"search.confirm": 0})
        while told.tell():
            pass
        told.run.close("steps")
        status, elites = (
            status_document(archive, told.run.record),
            elites_document(archive, told.run.record),
        )
    assert all(elite["fitness"] == elite["train_fitness"] for elite in elites)
    assert not status["best"]["confirmed"]
    assert status["best_fitness"] == status["best"]["fitness"]
    assert status["confirmations"] == {
        "told": 0, "blocks": 0, "challengers": 0, "slope": None, "doubt": None, "optimism": None,
    }  # fmt: skip
    assert "confirm steps" not in drawn(LiveDisplay(told.run, 2, Console()).draw())
    assert "corrected" not in drawn(elites_table(elites, "toy-1"))
