"""Stories of what `evolve status` tells of recognised programs and of diversity."""

import json
import shutil
import sqlite3
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from archive.records import Evaluation, Kind, Status, Step
from archive.store import Archive
from evolve import RunLimits, load_task, open_run, search
from evolve.diversity import WINDOW
from evolve.documents import status_document
from evolve.history import History, Told
from evolve.hits import probe_matches, seconds, trusted
from evolve.totals import Totals, totals_of

TOY = Path(__file__).resolve().parents[1] / "tasks/toy"
SECONDS, GRADE_S = 0.5, 0.25
HEAD = "def weigh(features, k, rng):\n"
INITIAL = {
    "first": "    return features[:, 0]",
    "again": "    column = features[:, 0] + features[:, 1]\n    return column",
    # The same but for the name of a local.
    "renamed": "    weights = features[:, 0] + features[:, 1]\n    return weights",
    # Other syntax, equal outputs.
    "algebra": "    return features[:, 0] * 1.0",
    # The two probes have 48 and 49 items; two of the four train instances have more.
    "unlike": "    return features[:, 0] * (3.0 if len(features) > 49 else 1.0) + features[:, 1] * 0"
    " + (features[:, 1] if len(features) > 49 else 0)",
    "crash": "    return features[:, 99]",
}


@pytest.fixture(scope="module")
def told_twice(tmp_path_factory):
    """Make a folder whose archive holds two runs; the second has all programs of the first."""
    folder = tmp_path_factory.mktemp("twice")
    first = {name: f"{HEAD}{body}\n" for name, body in INITIAL.items()}
    second = first | {"new": f"{HEAD}    return features[:, 2]\n"}
    with Archive.open(folder / "evolve.db") as archive:
        for initial in (first, second):
            run = open_run(
                load_task(TOY, ["grade_ms=0"]),
                archive=archive,
                initial=initial,
                limits=RunLimits(steps=len(initial)),
            )
            search(run, workers=1)
    return folder


@pytest.fixture
def twice(told_twice, looking, monkeypatch, tmp_path):
    """Give the command line beside a copy of that archive."""
    shutil.copy(told_twice / "evolve.db", tmp_path / "evolve.db")
    monkeypatch.chdir(tmp_path)
    return looking


def test_status_counts_what_was_recognised_and_where_the_probes_were_wrong(twice):
    status = twice.json("status", "toy-1")
    hashing = status["hashing"]
    # The same syntax is not run again but where both were under way at once.
    assert sum(hashing["hits"].values()) == hashing["gradings_saved"] == 2
    assert hashing["hits"]["behaviour"] >= 1
    assert status["gradings"] == status["evaluations"] == 3
    probes = hashing["probe_matches"]
    assert (probes["predicted"], probes["judged"], probes["false"]) == (2, 2, 1)
    assert probes["rate"] == 0.5
    assert probes["interval"] == pytest.approx([0.0945, 0.9055], abs=1e-4)
    text = twice("status", "toy-1").stdout
    assert "2 gradings, " in text
    assert "1 of 2 were false (50.0%, 95 %: 9.5% to 90.5%)" in " ".join(text.split())


def test_what_another_run_knew_is_served_and_neither_run_nor_graded(twice):
    status = twice.json("status", "toy-2")
    hashing, elites = status["hashing"], status["diversity"]["elites"]
    assert {kind: n for kind, n in hashing["hits"].items() if n} == {"syntax": 1, "served": 5}
    assert hashing["gradings_saved"] == 5  # what crashed is never graded
    assert status["gradings"] == 1
    assert hashing["seconds_saved_running"] > 0.0
    assert hashing["seconds_saved_grading"] > 0.0
    assert hashing["seconds_saved"] == pytest.approx(
        hashing["seconds_saved_running"] + hashing["seconds_saved_grading"]
    )
    assert hashing["seconds_net"] == pytest.approx(
        hashing["seconds_saved"] - hashing["seconds_spent_probing"]
    )
    assert hashing["trusted"] is None
    assert hashing["probe_matches"]["interval"] is None
    # Some were probed by the other run only.
    assert min(elite["step"] for elite in twice.json("elites", "toy-2")) < len(INITIAL)
    assert elites["n"] == status["num_elites"]
    text = " ".join(twice("status", "toy-2").stdout.split())
    assert "of running, " in text
    assert "s of grading: 6 programs recognised, 1 by syntax, 5 served" in text
    assert f"of {elites['n']} elites (Vendi score, q = 1)" in text


@pytest.mark.parametrize("kept", [None, "[]", '{"version":0,"numbers":[["kind","search",99]]}'])
def test_numbers_that_nobody_kept_or_by_other_rules_are_counted_anew(twice, kept):
    expected = twice.json("status", "toy-2")
    with sqlite3.connect("evolve.db") as archive:
        archive.execute("UPDATE runs SET totals = ?", (kept,))
    archive.close()
    assert twice.json("status", "toy-2") == expected


def test_a_run_that_grades_equal_outputs_again_saves_only_what_is_not_run():
    steps = [step("p", "d"), step("q", "d", grade_s=0.0), step("p", ran=False)]
    assert hits(steps) == {"behaviour": 1, "syntax": 1}
    assert hits(steps, shares_grades=False) == {"syntax": 1}


def test_seconds_saved_are_those_of_runs_spared_at_the_mean_of_runs_made():
    steps = [step("p", "d"), step("q", "d", grade_s=0.0), *[step("p", ran=False)] * 3]
    assert saved(steps)["seconds_saved_running"] == 3 * SECONDS
    served = [step("p", ran=False, served=True), step("p", ran=False)]
    assert saved(served)["seconds_saved_running"] is None
    assert saved([])["seconds_saved"] == 0.0


def test_seconds_of_grading_are_those_of_gradings_spared_at_the_mean_of_gradings_made():
    steps = [step("p", "d", evaluation=1, grade_s=2.0), step("q", "e", evaluation=2, grade_s=4.0)]
    steps += [step("r", "d", evaluation=3, grade_s=0.0)]
    steps += [step("q", "e", ran=False, evaluation=2, grade_s=4.0)]
    assert saved(steps)["seconds_saved_grading"] == 2 * 3.0
    assert saved(steps)["seconds_saved"] == 2 * 3.0 + SECONDS


def test_what_probing_has_cost_is_taken_off_and_unknown_of_old_steps():
    steps = [step("p", "d", probe_s=0.75), step("p", ran=False), step("q", "e", probe_s=0.5)]
    found = saved(steps)
    assert (found["seconds_saved"], found["seconds_spent_probing"]) == (SECONDS + GRADE_S, 1.25)
    assert found["seconds_net"] == SECONDS + GRADE_S - 1.25
    old = saved([step("p", "d"), step("p", ran=False)])
    assert old["seconds_saved"] == SECONDS + GRADE_S
    assert (old["seconds_spent_probing"], old["seconds_net"]) == (None, None)


def test_what_stopped_at_the_hurdle_is_no_hit_and_no_measure_of_a_run():
    stopped = step("q", "f", hurdle="stopped", wall_s=99.0, grade_s=99.0)
    steps = [step("p", "d"), stopped, step("p", ran=False)]
    assert hits(steps) == {"syntax": 1}
    assert saved(steps)["seconds_saved"] == SECONDS + GRADE_S
    assert counted(steps).count("evaluations") == 2
    # To whoever runs it in full it is new.
    assert hits([stopped, step("q", ran=False, served=True)]) == {"served": 1}


def test_what_the_probes_decide_is_a_hit_of_its_own_kind_and_no_witness_for_them():
    steps = [
        step("p", "d", behaviour="b"),
        step("q", "d", behaviour="b", ran=False, exact="p", probes_only=True),
        step("r", behaviour="b", ran=False, trusts=0, probes_only=True, fitness=1.0),
        step("q", ran=False),
        step("r", ran=False),
    ]
    assert hits(steps) == {"exact": 1, "trusted": 1, "syntax": 2}
    assert counted(steps).count("gradings saved") == 4
    assert probe_matches(counted(steps))["judged"] == 0


def test_the_first_that_ran_is_the_witness_of_a_functional_hash():
    steps = [
        step("p", behaviour="b", ran=False, trusts=0, probes_only=True, fitness=1.0),
        step("q", "d", behaviour="b"),
        step("r", "e", behaviour="b"),
        step("s", "d", behaviour="b"),
    ]
    found = probe_matches(counted(steps))
    assert (found["predicted"], found["judged"], found["false"]) == (3, 2, 1)


def test_audits_that_find_another_quality_are_wrong_hits():
    hit = {"trusts": 0, "probes_only": True, "ran": False}
    steps = [step("p"), *[step(f"h{i}", **hit) for i in range(7)]]
    steps += [step(f"a{n}", audits=0) for n in range(9)]
    assert trusted(counted(steps)) == {
        "hits": 7, "audited": 9, "wrong": 0, "upper_95": pytest.approx(1 - 0.05 ** (1 / 9))
    }  # fmt: skip
    # One that ended by a clock judges nothing.
    steps += [step("x", audits=0, spread=2.0), step("y", audits=0, evaluated=False)]
    found = trusted(counted(steps))
    assert (found["audited"], found["wrong"]) == (10, 1)
    assert trusted(counted([]))["upper_95"] == 1.0


def test_outputs_of_a_program_that_ran_twice_are_graded_once():
    twice = [step("p", "d", evaluation=7), step("p", "d", evaluation=7)]
    assert hits(twice) == {"behaviour": 1}


def test_a_program_that_was_told_before_and_ran_all_the_same_saves_nothing():
    timed_out = [step("p", evaluated=False), step("p", evaluated=False)]
    assert hits(timed_out) == {}
    again = counted([*timed_out, step("p", ran=False, evaluated=False)])
    assert (again.count("hit", "syntax"), again.count("gradings saved")) == (1, 0)


def test_a_probe_match_is_judged_where_both_have_outputs_and_each_program_counts_once():
    steps = [
        step("p", behaviour="b"),
        step("q", "d", behaviour="b"),
        step("r", "e", behaviour="b"),
        step("r", "e", behaviour="b"),
        step("s", "d", behaviour="b"),
        step("t", "d", behaviour="c"),
        step(None, evaluated=False),
    ]
    matches = probe_matches(counted(steps))
    assert (matches["predicted"], matches["judged"], matches["false"]) == (3, 2, 1)
    assert probe_matches(counted([]))["rate"] is None


def saved(steps):
    return seconds(counted(steps))


def hits(steps, **options):
    return {kind: number for (kind,), number in counted(steps, **options).under("hit").items()}


def counted(steps, shares_grades=True):
    """Count some told steps, each made by `step`."""
    history, totals = History(), Totals()
    for n, told in enumerate(steps):
        evaluation = told.evaluation
        if evaluation is not None and evaluation.id is None:
            evaluation = replace(evaluation, id=100 + n)
        own = replace(told.step, n=n, told_seq=n, evaluation=evaluation.id if evaluation else None)
        numbered = Told(own, evaluation, told.nodes)
        history.append(numbered)
        totals = totals.after(numbered, history, shares_grades=shares_grades)
        assert totals_of(totals.plain()) == totals
    return totals


def step(
    program, digest=None, *, behaviour=None, evaluation=None, ran=True, grade_s=GRADE_S,
    fitness=0.5, spread=1.0, evaluated=True, **facts
):  # fmt: skip
    found = Evaluation(
        "", "", "", 0, program or "", Status.OK, outputs_digest=digest, fitness=fitness,
        measures={"spread": spread}, id=evaluation, grade_s=grade_s,
    )  # fmt: skip
    made = Step(
        0, 0, Kind.SEARCH, "toy", program=program, behaviour=behaviour, outputs_digest=digest,
        status=Status.OK, ran={"wall_s": SECONDS} | facts if ran else facts,
    )  # fmt: skip
    return Told(made, found if evaluated else None, 1)


def test_status_warns_when_the_operators_collapse(archive_url):
    """Of the last children all behave like one of two, those before them each in its own way."""
    with Archive.open(archive_url) as archive:
        strange = tell_children(archive, WINDOW, lambda n: f"own {n}")
        before = status_document(archive, archive.run(strange.record.name))["diversity"]
        assert before["recent"]["q1"] == pytest.approx(WINDOW)
        assert (before["before"], before["warning"]) == (None, None)
        alike = tell_children(archive, 2 * WINDOW, lambda n: n if n < WINDOW else n % 2)
        after = status_document(archive, archive.run(alike.record.name))["diversity"]
        assert after["recent"]["n"] == after["before"]["n"] == WINDOW
        assert after["recent"]["q1"] == pytest.approx(2.0)
        assert after["before"]["q1"] == pytest.approx(WINDOW)
        assert "the operators collapse" in after["warning"]


def tell_children(archive, number, decision):
    """Tell so many search steps, the first after the initial program; all decide as told."""
    initial = {"first": f"{HEAD}    return features[:, 0]\n"}
    task, limits = load_task(TOY, ["search.confirm=0"]), RunLimits(steps=number + 1)
    run = open_run(task, archive=archive, initial=initial, limits=limits)
    for n in count(-1):
        assignment = run.ask()
        if assignment is None:
            break
        name = f"{run.record.name} {decision(n)}" if n >= 0 else "initial"
        record = json.dumps({"statuses": ["ok"], "digests": [name]}).encode()
        made_up = Evaluation(
            "", "", "", 0, "", Status.OK, outputs_digest=f"{n}", fitness=float(n), n=1,
            measures={"spread": n % 10 / 5, "lean": 0.0},
        )  # fmt: skip
        text = f"{HEAD}    return features[:, 0] * {n}.5\n"
        run.journal.ran(
            assignment.n, {"status": "ok"}, outputs_digest=f"{n}", behaviour=(name, record)
        )
        run.tell(assignment, text, made_up)
    run.close("steps")
    return run
